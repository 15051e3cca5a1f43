use object_store::TagSet;
use object_store::path::Path;
use object_store::signer::Method;
use quick_xml::DeError;
use serde::Deserialize;

use super::raw::Raw;
use crate::inplace::{Failure, Why};

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Tagging {
    tag_set: Tags,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Tags {
    tag: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    key: String,
    #[serde(default)]
    value: String,
}

impl Raw {
    /// The tags of what is under a key; none where the server knows no tags.
    pub(super) async fn tags(&self, key: &Path) -> Result<TagSet, Failure> {
        let failed = |problem: String| {
            Failure::Skipped(Why::Failed(format!(
                "reading its tags, which are to be kept, failed: {problem}; allow \
                 s3:GetObjectTagging, or set AWS_DISABLE_TAGGING to lose them"
            )))
        };
        let none = TagSet::default();
        if !self.tagging {
            return Ok(none);
        }
        let query = [("tagging", "")];
        let body = match self
            .send(Method::GET, key, &query, None, String::new())
            .await
        {
            Ok(body) => body,
            Err(error) if error.is_unknown() => return Ok(none),
            Err(error) if error.status == Some(404) => return Ok(none),
            Err(error) => return Err(failed(error.to_string())),
        };
        // Some servers know nothing of this, and answer with the object itself.
        if !body.windows(8).take(512).any(|bytes| bytes == b"<Tagging") {
            return Ok(none);
        }
        read(&body).map_err(|error| failed(error.to_string()))
    }
}

/// The tags of an answer.
pub(super) fn read(body: &[u8]) -> Result<TagSet, DeError> {
    let tagging: Tagging = quick_xml::de::from_reader(body)?;
    let mut set = TagSet::default();
    for tag in tagging.tag_set.tag {
        set.push(&tag.key, &tag.value);
    }
    Ok(set)
}
