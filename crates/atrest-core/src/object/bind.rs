use std::str::FromStr;

/// What the objects of a folder or bucket are bound to.
///
/// ```
/// use atrest_core::object::ObjectBind;
/// assert_eq!(ObjectBind::Path.logical_id(b"gate/a.mp4"), b"gate/a.mp4");
/// assert_eq!(ObjectBind::None.logical_id(b"gate/a.mp4"), b"");
/// assert_eq!("path".parse(), Ok(ObjectBind::Path));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum ObjectBind {
    /// Their path below the location, parts joined with `/`, as raw bytes: an object
    /// that was moved or renamed does not open.
    #[default]
    Path,
    /// Nothing: an object opens under any name.
    None,
}

impl ObjectBind {
    /// As policies write them.
    pub const NAMES: [&'static str; 2] = ["path", "none"];

    /// As policies write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::None => "none",
        }
    }

    /// The logical id of the object at `path` below the location.
    #[must_use]
    pub fn logical_id(self, path: &[u8]) -> &[u8] {
        match self {
            Self::Path => path,
            Self::None => b"",
        }
    }
}

/// Neither "path" nor "none".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a binding of objects; write `path` or `none`")]
pub struct ParseObjectBindError;

impl FromStr for ObjectBind {
    type Err = ParseObjectBindError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "path" => Ok(Self::Path),
            "none" => Ok(Self::None),
            _ => Err(ParseObjectBindError),
        }
    }
}
