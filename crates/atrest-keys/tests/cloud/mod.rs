//! A stub of a cloud's REST API: a proxy that ends TLS itself, by certificates of an
//! authority of its own. The sources find it as they find a company's proxy, through
//! `HTTPS_PROXY` and `SSL_CERT_FILE`, and so ask the real hosts by their real names.
//! What it is asked is kept, to be compared with the published API.
#![allow(dead_code, reason = "each test uses its own part")]

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use atrest_keys::{Environment, KeySource, KeySourceError, RemoteProblem, Settings, source};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// One request, as the stub got it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `GET https://HOST/PATH?QUERY`; `http://` for what did not come through the proxy.
    pub line: String,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn form(&self) -> HashMap<String, String> {
        url::form_urlencoded::parse(&self.body)
            .into_owned()
            .collect()
    }
}

/// What the stub answers: status, headers, body.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Answer {
    pub fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.to_string(),
        }
    }

    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

type Api = dyn Fn(&Asked) -> Answer + Send + Sync;

pub struct Stub {
    address: SocketAddr,
    folder: TempDir,
    asked: Arc<Mutex<Vec<Asked>>>,
    _runtime: tokio::runtime::Runtime,
}

impl Stub {
    /// A stub that has certificates for `hosts` and answers as `api` says.
    pub fn start(hosts: &[&str], api: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let folder = TempDir::new().unwrap();
        let (authority, tls) = certificates(hosts);
        std::fs::write(folder.path().join("authority.pem"), authority).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime
            .block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::default();
        let shared = Arc::new(Shared {
            api: Box::new(api),
            asked: Arc::clone(&asked),
            tls: TlsAcceptor::from(Arc::new(tls)),
        });
        runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(Arc::clone(&shared).connection(stream));
            }
        });
        Self {
            address,
            folder,
            asked,
            _runtime: runtime,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Writes a file beside the authority's, and gives its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The variables that lead to this stub, and these.
    pub fn env(&self, more: &[(&str, &str)]) -> Environment {
        let authority = self.folder.path().join("authority.pem");
        let own = [
            ("HTTPS_PROXY", format!("http://{}", self.address)),
            ("SSL_CERT_FILE", authority.to_str().unwrap().to_owned()),
        ];
        let more = more
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        Environment::new(
            own.into_iter()
                .chain(more)
                .map(|(name, value)| (name.to_owned(), value)),
        )
    }

    /// What was asked since the last time.
    pub fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The first lines of [`Self::take`].
    pub fn lines(&self) -> Vec<String> {
        self.take().into_iter().map(|asked| asked.line).collect()
    }
}

struct Shared {
    api: Box<Api>,
    asked: Arc<Mutex<Vec<Asked>>>,
    tls: TlsAcceptor,
}

impl Shared {
    async fn connection(self: Arc<Self>, stream: TcpStream) {
        let service = service_fn(move |request: Request<Incoming>| {
            let shared = Arc::clone(&self);
            async move {
                if request.method() != Method::CONNECT {
                    return shared.answer(request, "http").await;
                }
                tokio::spawn(async move {
                    let stream = hyper::upgrade::on(request).await.unwrap();
                    // A client that trusts another authority goes away here.
                    let Ok(stream) = shared.tls.accept(TokioIo::new(stream)).await else {
                        return;
                    };
                    let inner = service_fn(move |request| {
                        let shared = Arc::clone(&shared);
                        async move { shared.answer(request, "https").await }
                    });
                    let http = hyper::server::conn::http1::Builder::new();
                    let _ = http.serve_connection(TokioIo::new(stream), inner).await;
                });
                Ok(Response::new(Full::default()))
            }
        });
        let http = hyper::server::conn::http1::Builder::new();
        let _ = http
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
            .await;
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        scheme: &str,
    ) -> Result<Response<Full<Bytes>>, hyper::Error> {
        let (head, body) = request.into_parts();
        let headers: HashMap<_, _> = head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        let host = headers.get("host").unwrap();
        let path = head.uri.path_and_query().unwrap();
        let asked = Asked {
            line: format!("{} {scheme}://{host}{path}", head.method),
            body: body.collect().await?.to_bytes().to_vec(),
            headers,
        };
        let answer = (self.api)(&asked);
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(asked);
        let mut response = Response::builder().status(StatusCode::from_u16(answer.status).unwrap());
        for (name, value) in answer.headers {
            response = response.header(name, value);
        }
        Ok(response.body(Full::from(answer.body)).unwrap())
    }
}

/// An authority's PEM, and a server that it vouches for.
fn certificates(hosts: &[&str]) -> (String, ServerConfig) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::from_params(&authority, &authority_key);
    let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(hosts)
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    (pem, tls)
}

/// Short times, so that a test of a failure is no long test.
pub fn settings() -> Settings {
    Settings {
        timeout: Duration::from_secs(5),
        cache: Duration::from_millis(300),
        grace: Duration::from_secs(30),
        ..Settings::new(".")
    }
}

pub fn parse(uri: &str) -> Box<dyn KeySource> {
    source::parse(uri, &settings()).unwrap()
}

/// The error that a source answers with: its kind, its words, and proof that neither shows
/// one of these secrets.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(
    result: Result<T, KeySourceError>,
    uri: &str,
    secrets: &[&str],
) -> (RemoteProblem, String) {
    let error = result.unwrap_err();
    let text = error.to_string();
    let shown = format!("{text} {error:?}");
    for secret in secrets {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(text.starts_with(uri), "{text}");
    match error {
        KeySourceError::Remote { problem, .. } => (problem, text),
        other => panic!("{other:?}"),
    }
}

/// A source whose server nobody reaches fails in time, and says whose.
#[track_caller]
pub fn unreachable(uri: &str, env: &Environment) {
    let begin = Instant::now();
    let result = parse(uri).wrap_key(
        &atrest_core::Key::from_bytes([1; 32]),
        &atrest_core::Context::new("keyring"),
        env,
    );
    let (problem, text) = refused(result, uri, &[]);
    assert_eq!(problem, RemoteProblem::Unreachable, "{text}");
    assert!(begin.elapsed() < settings().timeout + Duration::from_secs(1));
}

/// An error of the kind that both clouds' gateways answer with: no JSON.
pub fn gateway(status: u16) -> Answer {
    Answer {
        status,
        headers: vec![("content-type", "text/html".to_owned())],
        body: "<html>later</html>".to_owned(),
    }
}

/// Answers to be given one after the other in place of the API's own.
#[derive(Clone, Default)]
pub struct Next(Arc<Mutex<Vec<Answer>>>);

impl Next {
    pub fn will_be(&self, answers: impl IntoIterator<Item = Answer>) {
        *self.0.lock().unwrap() = answers.into_iter().collect();
    }

    pub fn take(&self) -> Option<Answer> {
        let mut answers = self.0.lock().unwrap();
        (!answers.is_empty()).then(|| answers.remove(0))
    }
}

/// A key as a secret's text, and that text.
pub fn key(byte: u8) -> (atrest_core::Key, String) {
    let key = atrest_core::Key::from_bytes([byte; 32]);
    let text = key.to_base64url().to_string();
    (key, text)
}

/// A JSON object of nothing, for an answer that lacks what it should have.
pub fn nothing() -> Answer {
    Answer::json(200, json!({}))
}
