//! What who runs the server sees: metrics, health, log, the OpenAPI document.

use std::io::Write;
use std::sync::{Arc, Mutex};

use atrest_server::Metrics;
use tracing::Level;

use crate::support::*;

#[test]
fn metrics_say_what_was_done() {
    let folder = tempfile::tempdir().unwrap();
    let metrics = Metrics::new().unwrap();
    metrics.key(&"01020304", "primary", true);
    let observe = Arc::new(metrics.clone());
    let store = sealed(folder.path(), KEY).observed(observe);
    let server = start(builder(Arc::new(store)).metrics(metrics));
    server.put("a", &content(1000));
    server.get("a");
    server.get("none");
    server.ask("BREW /clips/a", &[], b"");
    server.ask("GET /no/route", &[], b"");
    // The connections before it are closed a moment after their answers.
    let metrics = || server.ask("GET /metrics", &[], b"").text();
    until("one connection", || {
        metrics().contains("\natrest_http_connections 1\n")
    });
    let text = metrics();
    for line in [
        r#"atrest_http_requests_total{route="/clips/{*name}",method="PUT",status="201"} 1"#,
        r#"atrest_http_requests_total{route="/clips/{*name}",method="GET",status="200"} 1"#,
        r#"atrest_http_requests_total{route="/clips/{*name}",method="GET",status="404"} 1"#,
        r#"atrest_http_requests_total{route="/clips/{*name}",method="other",status="405"} 1"#,
        r#"atrest_http_requests_total{route="none",method="GET",status="404"} 1"#,
        r#"atrest_http_request_seconds_count{route="/clips/{*name}",method="PUT"} 1"#,
        r#"atrest_http_request_seconds_bucket{route="/clips/{*name}",method="PUT",le="60"} 1"#,
        r#"atrest_http_received_bytes_total 1000"#,
        r#"atrest_http_sent_bytes_total 1000"#,
        r#"atrest_failures_total{kind="refused"} 0"#,
        r#"atrest_failures_total{kind="interrupted"} 0"#,
        r#"atrest_key_info{key="01020304",role="primary"} 1"#,
        r#"atrest_sealed_bytes_total 1000"#,
        r#"atrest_opened_bytes_total 1000"#,
        r#"atrest_seal_seconds_bucket{le="60"} 1"#,
        r#"atrest_open_seconds_count 1"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
}

#[test]
fn ready_means_that_the_store_and_what_is_asked_besides_answer() {
    let (folder, store) = folder();
    let path = folder.path().to_owned();
    let server = start(builder(store).ready_when(move || path.is_dir()));
    let status = || server.ask_as_is("GET /readyz", &[], b"").status;
    assert_eq!(status(), 200);
    let aside = folder.path().with_extension("aside");
    std::fs::rename(folder.path(), &aside).unwrap();
    until("503 without its folder", || status() == 503);
    std::fs::rename(&aside, folder.path()).unwrap();
    until("200 with its folder", || status() == 200);
    assert_eq!(server.ask_as_is("GET /healthz", &[], b"").status, 200);
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// All levels of all crates, as nobody should have them in service.
#[test]
fn the_log_has_names_and_no_token_and_no_content() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .json()
        .with_max_level(Level::TRACE)
        .with_writer(move || writer.clone())
        .init();
    let (_folder, store) = folder();
    let server = start(builder(store));
    let secret = b"attack-at-dawn-5b3d";
    server.put("gate/named.webm", secret);
    server.get("gate/named.webm");
    let wrong = [("Authorization", "Bearer wrong-token-1c9f")];
    server.ask_as_is("GET /clips/gate/named.webm", &wrong, b"");
    server.ask(
        "GET /clips?prefix=x&access_token=query-token-77aa",
        &[],
        b"",
    );
    server.ask("GET /clips/gate/..%00", &[], b"");
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let requests = || {
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines
            .map(|line| line["fields"].clone())
            .filter(|fields| fields["message"] == "request")
    };
    let put = requests()
        .find(|fields| fields["method"] == "PUT" && fields["path"] == "/clips/gate/named.webm");
    assert_eq!(put.expect("the upload")["status"], 201);
    assert!(requests().any(|fields| fields["status"] == 401));
    for secret in [
        READER,
        WRITER,
        "attack-at-dawn",
        "wrong-token-1c9f",
        "query-token-77aa",
    ] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[test]
fn the_openapi_document_names_every_route_and_status() {
    let (_folder, store) = folder();
    let server = start(builder(store));
    let document = server.ask_as_is("GET /openapi.json", &[], b"").json();
    let codes = |path: &str, method: &str| {
        let responses = document["paths"][path][method]["responses"].as_object();
        let codes = responses
            .unwrap_or_else(|| panic!("{method} {path}"))
            .keys();
        codes
            .map(|code| code.parse().unwrap())
            .collect::<Vec<u16>>()
    };
    for (path, method, want) in [
        (
            "/clips/{name}",
            "get",
            vec![200, 206, 304, 400, 401, 404, 412, 416, 500, 502, 503],
        ),
        (
            "/clips/{name}",
            "head",
            vec![200, 304, 400, 401, 404, 412, 500, 502],
        ),
        (
            "/clips/{name}",
            "put",
            vec![201, 204, 400, 401, 403, 408, 409, 412, 413, 415, 502, 507],
        ),
        (
            "/clips/{name}",
            "delete",
            vec![204, 400, 401, 403, 404, 412, 502],
        ),
        ("/clips", "get", vec![200, 400, 401, 502]),
        ("/healthz", "get", vec![200]),
        ("/readyz", "get", vec![200, 503]),
        ("/metrics", "get", vec![200, 401]),
        ("/openapi.json", "get", vec![200]),
    ] {
        assert_eq!(codes(path, method), want, "{method} {path}");
        // And it is there.
        let target = path.replace("{name}", "a");
        let method = method.to_uppercase();
        let answer = server.ask_as_is(&format!("{method} {target}"), &[], b"");
        assert!(!matches!(answer.status, 404 | 405), "{method} {target}");
    }
    let methods = |path: &serde_json::Value| path.as_object().unwrap().len();
    let paths = document["paths"].as_object().unwrap().values();
    assert_eq!(paths.map(methods).sum::<usize>(), 9);
    assert_eq!(
        document["components"]["securitySchemes"]["token"]["scheme"],
        "bearer"
    );
}

/// `ATREST_WRITE_OPENAPI=1 cargo test -p atrest-server` writes it anew.
#[test]
fn the_committed_openapi_document_is_this_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    let now = atrest_server::openapi_document().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("ATREST_WRITE_OPENAPI").is_some() {
        std::fs::write(path, &now).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == now,
        "docs/openapi.json is out of date; write it with ATREST_WRITE_OPENAPI=1"
    );
}

/// A rule about a metric that is not there never fires.
#[test]
fn every_metric_of_the_alert_rules_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let metrics = Metrics::new().unwrap();
    metrics.key(&"01020304", "primary", true);
    metrics.key_created(&"01020304", 1.0);
    metrics.key_source(&"vault:secret/app", true);
    let server = start(builder(Arc::new(sealed(folder.path(), KEY))).metrics(metrics));
    server.put("a", b"1");
    server.get("a");
    let text = server.ask("GET /metrics", &[], b"").text();
    let rules = include_str!("../../../../docs/alerts.yml");
    let expressions = rules.lines().filter(|line| !line.contains("description"));
    let words = expressions.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_'));
    let mut names: Vec<_> = words.filter(|word| word.starts_with("atrest_")).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 7, "{names:?}");
    for name in names {
        assert!(text.contains(&format!("\n{name}{{")), "{name} in\n{text}");
    }
    for line in rules.lines().filter(|line| line.contains("kind=\"")) {
        let kind = line
            .split("kind=")
            .nth(1)
            .unwrap()
            .split(['}', ','])
            .next()
            .unwrap();
        assert!(text.contains(&format!("{{kind={kind}}}")), "{kind}");
    }
}
