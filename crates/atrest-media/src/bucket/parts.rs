use bytes::Bytes;
use futures::stream::{Stream, StreamExt as _, TryStreamExt as _, try_unfold};
use object_store::PutPayload;
use object_store::multipart::PartId;

use crate::inplace::Failure;

/// Bytes of a part, and the most that goes in one request.
pub(super) const PART: u64 = 8 << 20;
/// The most parts that S3 takes.
const MOST_PARTS: u64 = 10_000;

/// The length of the parts of so many bytes.
pub(super) const fn part_len(length: u64) -> u64 {
    let least = length.div_ceil(MOST_PARTS);
    if least > PART { least } else { PART }
}

/// The stream in parts of `length` bytes; the last may be shorter.
pub(super) fn parts<'a>(
    stream: impl Stream<Item = Result<Bytes, Failure>> + Send + 'a,
    length: u64,
) -> impl Stream<Item = Result<PutPayload, Failure>> + Send + 'a {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    try_unfold(
        (stream.boxed(), Bytes::new()),
        move |(mut stream, mut rest)| async move {
            let (mut part, mut missing) = (Vec::new(), length);
            loop {
                let piece = rest.split_to(rest.len().min(missing));
                missing -= piece.len();
                if !piece.is_empty() {
                    part.push(piece);
                }
                if missing == 0 {
                    break;
                }
                match stream.try_next().await? {
                    Some(piece) => rest = piece,
                    None => break,
                }
            }
            let part: PutPayload = part.into_iter().collect();
            Ok((part.content_length() > 0).then_some((part, (stream, rest))))
        },
    )
}

/// The request that puts parts together.
pub(super) fn completion(parts: &[PartId]) -> String {
    let mut body =
        String::from("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (number, part) in (1..).zip(parts) {
        // With checksums, the id is an element that has them and the ETag in it.
        let id = &part.content_id;
        let inner = id
            .strip_prefix('<')
            .and_then(|id| Some(id.split_once('>')?.1.rsplit_once("</")?.0.to_owned()))
            .unwrap_or_else(|| {
                format!(
                    "<ETag>{}</ETag>",
                    id.replace('&', "&amp;").replace('<', "&lt;")
                )
            });
        body += &format!("<Part><PartNumber>{number}</PartNumber>{inner}</Part>");
    }
    body + "</CompleteMultipartUpload>"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(lengths: &[usize], length: u64) -> Vec<usize> {
        let pieces = lengths.iter().map(|n| Ok(Bytes::from(vec![0; *n])));
        let parts = parts(futures::stream::iter(pieces.collect::<Vec<_>>()), length);
        let parts: Result<Vec<_>, _> = futures::executor::block_on(parts.try_collect());
        let parts = parts.unwrap_or_default();
        parts.iter().map(PutPayload::content_length).collect()
    }

    #[test]
    fn parts_are_of_one_length_but_the_last() {
        assert_eq!(cut(&[], 10), [0; 0]);
        assert_eq!(cut(&[3, 0, 4], 10), [7]);
        assert_eq!(cut(&[10, 10], 10), [10, 10]);
        assert_eq!(cut(&[1, 35, 2], 10), [10, 10, 10, 8]);
    }

    #[test]
    fn there_are_never_more_parts_than_s3_takes() {
        assert_eq!(part_len(1), PART);
        for length in [PART * MOST_PARTS, PART * MOST_PARTS + 1, 5 << 40] {
            assert!(length.div_ceil(part_len(length)) <= MOST_PARTS, "{length}");
        }
    }

    #[test]
    fn parts_are_named_by_etag_and_checksum() {
        let part = |id: &str| PartId {
            content_id: id.to_owned(),
        };
        let body = completion(&[
            part("\"a\""),
            part("<PartMetadata><ETag>b</ETag><ChecksumSHA256>c</ChecksumSHA256></PartMetadata>"),
        ]);
        assert!(
            body.contains("<Part><PartNumber>1</PartNumber><ETag>\"a\"</ETag></Part>"),
            "{body}"
        );
        assert!(
            body.contains(
                "<PartNumber>2</PartNumber><ETag>b</ETag><ChecksumSHA256>c</ChecksumSHA256></Part>"
            ),
            "{body}"
        );
    }
}
