//! A player that seeks: Chromium plays clips that lie encrypted, through `atrest serve`.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]
#![cfg(target_os = "linux")]

use std::process::Command;

/// All of it stands in `scripts/browser`, which also says what must be installed.
#[test]
fn chromium_plays_and_seeks_encrypted_clips_by_ranges() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/browser");
    let ran = Command::new(script)
        .env("ATREST_BIN", env!("CARGO_BIN_EXE_atrest"))
        .output()
        .unwrap();
    let (said, why) = (
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr),
    );
    assert!(ran.status.success(), "{said}\n{why}");
    assert!(said.contains("gate/a.webm: played and sought"), "{said}");
    assert!(said.contains("gate/b.mp4: played and sought"), "{said}");
    assert!(said.contains("gate/damaged.webm: not played"), "{said}");
}
