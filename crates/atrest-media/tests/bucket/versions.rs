//! A bucket that keeps old versions: what was clear is still there, and is counted.

use atrest_media::bucket::Versions;
use atrest_testing::{Fault, HttpProxy, server};
use object_store::{GetOptions, TagSet};

use super::*;

#[tokio::test]
async fn old_versions_are_counted_by_what_they_are() {
    let place = Place::on(&server::s3_versioned());
    place.put("a", bytes(1_000)).await;
    place.put("b", bytes(2_000)).await;
    place.put("b", bytes(3_000)).await;
    place.put("tiny", "x").await;
    let report = place.run(Operation::Look).await;
    assert_eq!(
        (report.versions.clear.files, report.versions.clear.bytes),
        (1, 2_000)
    );
    assert_eq!(report.versions.problem, None);

    let report = place.run(Operation::Encrypt).await;
    assert_eq!(report.changed.files, 3);
    assert_eq!(
        (report.versions.clear.files, report.versions.clear.bytes),
        (4, 6_001)
    );
    assert_eq!(report.versions.sealed.files, 0);

    let report = place
        .bucket()
        .run(Operation::Rotate, &next_keyring(), &Options::default())
        .await;
    let report = report.unwrap();
    assert_eq!(
        (report.versions.clear.files, report.versions.sealed.files),
        (4, 3)
    );

    // Removed ones, too.
    place.store.delete(&path("a")).await.unwrap();
    let report = place.run(Operation::Look).await;
    assert_eq!(
        (report.versions.clear.files, report.versions.sealed.files),
        (4, 4)
    );
}

#[tokio::test]
async fn more_versions_than_fit_on_a_page_are_all_counted() {
    let place = Place::on(&server::s3_versioned());
    for _ in 0..1_003 {
        place.put("a", "clear").await;
    }
    assert_eq!(place.run(Operation::Look).await.versions.clear.files, 1_002);
}

#[tokio::test]
async fn the_probe_leaves_no_version_of_itself() {
    let server = server::s3_versioned();
    let place = Place::on(&server);
    place.put("a", "clear").await;
    place.run(Operation::Encrypt).await;
    let url = url::Url::parse(&server).unwrap();
    let listing = format!(
        "{}?versions&prefix={}",
        url.path(),
        place
            .url
            .split_once("atrest/")
            .unwrap()
            .1
            .split('/')
            .next()
            .unwrap()
    );
    let answer = plain_get(&url, &listing);
    assert!(answer.contains("<Key>"), "{answer}");
    assert!(!answer.contains(".atrest-"), "{answer}");
}

#[tokio::test]
async fn versions_that_cannot_be_listed_are_said_to_be_unknown() {
    let proxy = HttpProxy::to(&server::s3_versioned());
    let place = Place::on(proxy.url());
    place.put("a", "clear").await;
    proxy.fail(9, "versions", Fault::Answer(403));
    let versions = place.run(Operation::Look).await.versions;
    let problem = versions.problem.unwrap();
    assert!(problem.contains("403"), "{problem}");
    // A server that has no versions says so: none is unknown.
    let place = Place::on(&server::s3());
    place.put("a", "clear").await;
    assert_eq!(
        place.run(Operation::Look).await.versions,
        Versions::default()
    );
}

/// What nothing can be had under is not taken for clean.
#[tokio::test]
async fn a_key_with_a_slash_at_its_end_that_holds_something_is_reported() {
    let server = server::s3_versioned();
    let number = RandomState::new().build_hasher().finish();
    let place = Place::at(&server, &format!("odd-{number:016x}"));
    let url = url::Url::parse(&server).unwrap();
    let prefix = place.url.split_once("atrest/").unwrap().1.to_owned();
    let target = format!("{}/{prefix}/x/", url.path());
    plain_body(&url, "PUT", &target, "somebody's clear bytes");
    for operation in [Operation::Encrypt, Operation::Verify] {
        let report = place.run(operation).await;
        assert!(!report.is_clean(), "{report:?}");
        assert!(matches!(&report.skipped[..], [one] if one.name == b"x"));
    }
}

#[tokio::test]
async fn tags_are_kept() {
    let place = Place::on(&server::s3_versioned());
    let mut tags = TagSet::default();
    tags.push("class", "personal data +1=a/b");
    tags.push("kept", "");
    place
        .store
        .put_opts(&path("a"), bytes(1_000).into(), tags.into())
        .await
        .unwrap();
    place.put("b", "untagged").await;
    let before = tags_of(&place, "a");
    assert!(before.contains("personal data +1=a/b"), "{before}");
    place.run(Operation::Encrypt).await;
    assert!(place.is_object("a").await);
    assert_eq!(tags_of(&place, "a"), before);
    let quiet = place.bucket().assume_quiet(true);
    quiet
        .run(Operation::Decrypt, &keyring(), &Options::default())
        .await
        .unwrap();
    assert_eq!(tags_of(&place, "a"), before);
}

#[tokio::test]
async fn a_key_that_stands_for_a_folder_is_left_alone() {
    let server = server::s3_versioned();
    let place = Place::at(
        &server,
        &format!("marker-{:016x}", RandomState::new().build_hasher().finish()),
    );
    place.put("x/a", "clear").await;
    let url = url::Url::parse(&server).unwrap();
    let prefix = place.url.split_once("atrest/").unwrap().1.to_owned();
    plain(&url, "PUT", &format!("{}/{prefix}/x/", url.path()));
    let report = place.run(Operation::Encrypt).await;
    assert_eq!(skipped(&report), [("x", &Why::Special)]);
    assert_eq!((report.changed.files, report.is_clean()), (1, true));
}

#[tokio::test]
async fn a_version_that_was_read_is_whole() {
    let place = Place::on(&server::s3_versioned());
    let old = place
        .store
        .put(&path("a"), bytes(1_000).into())
        .await
        .unwrap()
        .version;
    place.run(Operation::Encrypt).await;
    let options = GetOptions::new().with_version(old);
    let got = place.store.get_opts(&path("a"), options).await.unwrap();
    assert!(got.bytes().await.unwrap() == bytes(1_000));
}

pub(crate) fn tags_of(place: &Place, name: &str) -> String {
    let server = url::Url::parse(&server::s3_versioned()).unwrap();
    let mut at = server.clone();
    let prefix = place.url.split_once("atrest/").unwrap().1;
    at.path_segments_mut()
        .unwrap()
        .extend(prefix.split('/'))
        .extend(name.split('/'));
    plain_get(&server, &format!("{}?tagging", at.path()))
}

fn plain_get(server: &url::Url, target: &str) -> String {
    plain(server, "GET", target)
}

/// A request without a signature: this server checks none.
fn plain(server: &url::Url, method: &str, target: &str) -> String {
    plain_body(server, method, target, "")
}

fn plain_body(server: &url::Url, method: &str, target: &str, body: &str) -> String {
    use std::io::{Read as _, Write as _};
    let host = format!("{}:{}", server.host_str().unwrap(), server.port().unwrap());
    let mut stream = std::net::TcpStream::connect(&host).unwrap();
    let credential = "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request, \
                      SignedHeaders=host, Signature=0";
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {credential}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[tokio::test]
async fn clear_versions_are_removed_only_when_told_and_only_below_what_opens() {
    let place = Place::on(&server::s3_versioned());
    place.put("a", bytes(1_000)).await;
    place.put("a", bytes(2_000)).await;
    place.put("gone", bytes(3_000)).await;
    place.store.delete(&path("gone")).await.unwrap();
    place.put("stranger", bytes(4_000)).await;
    place.put("stranger", bytes(5_000)).await;
    let report = place.run(Operation::Encrypt).await;
    assert_eq!(
        (report.versions.clear.files, report.versions.purged.files),
        (5, 0)
    );
    // Its present version does not open here.
    let mut damaged = place.get("stranger").await;
    *damaged.last_mut().unwrap() ^= 1;
    place.put("stranger", damaged).await;

    let bucket = place.bucket().purge_versions(true);
    let look = bucket
        .run(Operation::Look, &keyring(), &Options::default())
        .await
        .unwrap();
    assert_eq!(look.versions.purged.files, 0, "a look changes nothing");
    let report = bucket
        .run(Operation::Encrypt, &keyring(), &Options::default())
        .await
        .unwrap();
    assert_eq!(
        (report.versions.purged.files, report.versions.purged.bytes),
        (2, 3_000)
    );
    assert_eq!(
        (report.versions.clear.files, report.versions.problem),
        (3, None)
    );
    assert!(place.open("a").await == bytes(2_000));
    let look = place.run(Operation::Look).await;
    assert_eq!(look.versions.clear.files, 3);
}
