//! What reads the answers of S3 servers, for the fuzz targets. Without the feature
//! `fuzzing`, which nothing that is shipped has on, none of it is to be reached.

/// Keys and versions of a page of versions, and where the next begins.
///
/// # Errors
/// It is none.
#[allow(clippy::type_complexity, reason = "for tests alone")]
pub fn versions(body: &[u8]) -> Result<(Vec<(String, String)>, Option<(String, String)>), String> {
    let (versions, next) = super::versions::read(body).map_err(|error| error.to_string())?;
    let versions = versions.into_iter().map(|it| (it.key, it.version_id));
    Ok((versions.collect(), next))
}

/// Tags, as they are sent again.
///
/// # Errors
/// There are none.
pub fn tags(body: &[u8]) -> Result<String, String> {
    let tags = super::tags::read(body).map_err(|error| error.to_string())?;
    Ok(tags.encoded().to_owned())
}

/// The code of an error.
#[must_use]
pub fn error_code(body: &[u8]) -> Option<String> {
    super::raw::error_code(body)
}
