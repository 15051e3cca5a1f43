use std::time::Duration;

use object_store::ClientOptions;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::client::{HttpConnector as _, ReqwestConnector};
use object_store::path::Path;

use super::BucketError;
use super::raw::Raw;

/// A server that says nothing for so long is given up, and asked again.
const SILENCE: Duration = Duration::from_secs(120);

/// Bucket and prefix of `s3://bucket/prefix`.
pub(super) fn parse(url: &str) -> Result<(&str, Path), BucketError> {
    let wrong = |problem: String| BucketError::Url {
        url: url.to_owned(),
        problem,
    };
    let rest = url
        .strip_prefix("s3://")
        .ok_or_else(|| wrong("it does not begin with s3://".to_owned()))?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() || bucket.contains(['?', '#', '@', ':', ' ']) {
        return Err(wrong("a bucket's name is missing".to_owned()));
    }
    if prefix.starts_with('/') {
        return Err(wrong("its prefix has an empty part".to_owned()));
    }
    let prefix = Path::parse(prefix).map_err(|error| wrong(error.to_string()))?;
    Ok((bucket, prefix))
}

/// Nothing is sent so far.
pub(super) fn connect(
    url: &str,
    bucket: &str,
    config: impl IntoIterator<Item = (String, String)>,
) -> Result<Raw, BucketError> {
    // A long object takes as long as it takes; it is silence that is wrong.
    let mut client = ClientOptions::new()
        .with_timeout_disabled()
        .with_read_timeout(SILENCE);
    let mut builder = AmazonS3Builder::new();
    let mut tagging = true;
    for (name, value) in config {
        let known = name.starts_with("AWS_").then(|| name.to_ascii_lowercase());
        match known.and_then(|name| name.parse().ok()) {
            // What is not for this bucket: its name and address come from the URL.
            None | Some(AmazonS3ConfigKey::Bucket) => {}
            Some(AmazonS3ConfigKey::Client(key)) => client = client.with_config(key, value),
            Some(key) => {
                tagging &= key != AmazonS3ConfigKey::DisableTagging || !is_true(&value);
                builder = builder.with_config(key, value);
            }
        }
    }
    let failed = |source| BucketError::Config {
        bucket: url.to_owned(),
        source,
    };
    let builder = builder
        .with_bucket_name(bucket)
        .with_client_options(client.clone());
    Ok(Raw {
        s3: builder.build().map_err(failed)?,
        http: ReqwestConnector::default()
            .connect(&client)
            .map_err(failed)?,
        tagging,
    })
}

/// As `object_store` reads it.
fn is_true(value: &str) -> bool {
    matches!(
        value.to_ascii_lowercase().as_str(),
        "1" | "true" | "on" | "yes" | "y"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_bucket_and_prefix() {
        let parsed = |url| parse(url).map(|(bucket, prefix)| (bucket, prefix.to_string()));
        for (url, bucket, prefix) in [
            ("s3://camera", "camera", ""),
            ("s3://camera/", "camera", ""),
            ("s3://camera/clips", "camera", "clips"),
            ("s3://camera/clips/", "camera", "clips"),
            ("s3://camera/a b/ü~", "camera", "a b/ü~"),
        ] {
            assert_eq!(parsed(url).unwrap(), (bucket, prefix.to_owned()), "{url}");
        }
        for url in [
            "",
            "camera",
            "s3:camera",
            "s3://",
            "s3:///x",
            "http://x/y",
            "s3://a//b",
            "s3://a/../b",
            "s3://k:s@a/b",
        ] {
            let error = parse(url).unwrap_err().to_string();
            assert!(error.contains("is no bucket"), "{url}: {error}");
        }
    }

    #[test]
    fn an_environment_is_taken_as_it_is() {
        let environment = [
            ("PATH", "/bin"),
            ("AWS_PROFILE_OF_MINE", "x"),
            ("AWS_REGION", "eu-west-1"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        connect("s3://camera", "camera", environment).unwrap();
    }
}
