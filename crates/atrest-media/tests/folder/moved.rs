use std::fs;

use super::*;

fn two_sealed(bind: ObjectBind) -> (tempfile::TempDir, Folder) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("one"), "the first").unwrap();
    fs::write(dir.path().join("two"), "the second").unwrap();
    let folder = Folder::new(dir.path(), &[], &[], bind).unwrap();
    let report = folder.run(Operation::Encrypt, keyring(), &Options::default());
    assert_eq!(report.unwrap().changed.files, 2);
    (dir, folder)
}

fn undecryptable(folder: &Folder, operation: Operation) -> Vec<String> {
    let report = folder.run(operation, keyring(), &Options::default());
    let report = report.unwrap();
    assert_eq!(report.changed.files, 0);
    assert_eq!(report.clear.files, 0);
    let names = report.undecryptable.into_iter();
    names
        .map(|it| String::from_utf8(it.name).unwrap())
        .collect()
}

const ALL: [Operation; 4] = [
    Operation::Look,
    Operation::Verify,
    Operation::Encrypt,
    Operation::Rotate,
];

#[test]
fn swapped_files_do_not_open() {
    let (dir, folder) = two_sealed(ObjectBind::Path);
    let path = |name| dir.path().join(name);
    fs::rename(path("one"), path("x")).unwrap();
    fs::rename(path("two"), path("one")).unwrap();
    fs::rename(path("x"), path("two")).unwrap();
    let before = contents(dir.path());
    for operation in ALL {
        assert_eq!(undecryptable(&folder, operation), ["one", "two"]);
    }
    assert_eq!(undecryptable(&folder, Operation::Decrypt), ["one", "two"]);
    assert_eq!(contents(dir.path()), before);
}

#[test]
fn a_renamed_file_opens_only_if_it_is_not_bound() {
    for (bind, lost) in [
        (ObjectBind::Path, vec!["sub/two"]),
        (ObjectBind::None, vec![]),
    ] {
        let (dir, folder) = two_sealed(bind);
        fs::create_dir(dir.path().join("sub")).unwrap();
        fs::rename(dir.path().join("two"), dir.path().join("sub/two")).unwrap();
        for operation in ALL {
            assert_eq!(undecryptable(&folder, operation), lost);
        }
    }
}

#[test]
fn the_whole_root_may_move() {
    let (dir, _) = two_sealed(ObjectBind::Path);
    let to = dir.path().with_extension("moved");
    fs::rename(dir.path(), &to).unwrap();
    let report = run(&to, Operation::Decrypt);
    fs::remove_dir_all(to).unwrap();
    assert_eq!(report.changed.files, 2);
}

#[test]
fn a_file_cut_off_anywhere_is_never_taken_for_clear() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clip");
    fs::write(&path, bytes(40_000)).unwrap();
    run(dir.path(), Operation::Encrypt);
    let whole = fs::read(&path).unwrap();
    for length in [
        8,
        15,
        16,
        71,
        72,
        87,
        88,
        16_472,
        16_488,
        40_000,
        whole.len() - 1,
    ] {
        fs::write(&path, &whole[..length]).unwrap();
        for operation in ALL {
            assert_eq!(
                undecryptable(&folder(dir.path()), operation),
                ["clip"],
                "{length}"
            );
        }
        assert_eq!(fs::read(&path).unwrap(), whole[..length]);
    }
}

#[test]
fn damage_in_the_middle_is_found_by_what_reads_all() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clip");
    fs::write(&path, bytes(40_000)).unwrap();
    run(dir.path(), Operation::Encrypt);
    let mut object = fs::read(&path).unwrap();
    object[20_000] ^= 1;
    fs::write(&path, &object).unwrap();
    assert!(undecryptable(&folder(dir.path()), Operation::Look).is_empty());
    for operation in [Operation::Verify, Operation::Decrypt] {
        assert_eq!(
            undecryptable(&folder(dir.path()), operation),
            ["clip"],
            "{operation:?}"
        );
    }
    let options = Options::default();
    let rotated = folder(dir.path()).run(Operation::Rotate, next_keyring(), &options);
    assert_eq!(rotated.unwrap().undecryptable.len(), 1);
    assert_eq!(fs::read(&path).unwrap(), object);
    assert_eq!(contents(dir.path()).len(), 1, "nothing is left over");
}
