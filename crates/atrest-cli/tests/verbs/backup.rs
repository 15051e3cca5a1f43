//! `verify --against`, `restore`, `--no-backup`, `--backup`.

use crate::support::Place;

#[tokio::test]
async fn what_changed_since_stays_unless_forced() {
    let place = Place::sqlite(50).await;
    let original = place.db.dump().await;
    place
        .run(&["encrypt", "--backup", "kept.atrest"])
        .expect(0)
        .says("kept.atrest");
    place.run(&["verify", "--against", "kept.atrest"]).expect(0);
    place
        .db
        .execute("UPDATE people SET email = 'newer@example.net' WHERE id = 7; DELETE FROM people WHERE id = 8")
        .await;
    let compared = place
        .run(&["verify", "--against", "kept.atrest", "--json"])
        .expect(1)
        .json();
    let column = &compared["columns"][0];
    for (name, count) in [
        ("entries", 45),
        ("same", 43),
        ("changed_since", 1),
        ("missing", 1),
        ("changed", 0),
    ] {
        assert_eq!(column[name], count, "{name}");
    }

    place
        .run(&["restore", "kept.atrest"])
        .expect(1)
        .says("--force");
    let email = place
        .db
        .scalar("SELECT email FROM people WHERE id = 7")
        .await;
    assert_eq!(email.as_deref(), Some("newer@example.net"));
    assert_eq!(place.tokens().await, 0, "the others are back");

    place
        .db
        .execute("INSERT INTO people VALUES (8, 'user8@example.org', 'note 8')")
        .await;
    place
        .run(&["restore", "kept.atrest", "--force"])
        .expect(0)
        .says("Every row of the backup is back");
    let rows = "SELECT group_concat(id || email || note) FROM (SELECT * FROM people ORDER BY id)";
    assert!(original.contains("user7@example.org"));
    let all = place.db.scalar(rows).await.unwrap();
    assert!(all.contains("user7@example.org") && !all.contains("newer"));
}

#[tokio::test]
async fn no_backup_is_written_when_told_so_and_none_is_overwritten() {
    let place = Place::sqlite(20).await;
    place.run(&["encrypt", "--no-backup"]).expect(0);
    assert!(place.backups().is_empty());
    std::fs::write(place.folder().join("mine.atrest"), "mine").unwrap();
    place
        .run(&["decrypt", "--backup", "mine.atrest"])
        .expect(2)
        .says("mine.atrest");
    assert_eq!(place.tokens().await, 18);
    let kept = std::fs::read_to_string(place.folder().join("mine.atrest")).unwrap();
    assert_eq!(kept, "mine");
    place
        .run(&["restore", "mine.atrest"])
        .expect(2)
        .says("is not an atrest backup");
}

/// A finished backup that lost its end, or whose first length is damaged: refused as
/// damaged, and no row goes back. One whose run was killed: used, said, and exit 1.
#[tokio::test]
async fn a_damaged_backup_is_refused_and_an_unfinished_one_is_said() {
    let place = Place::sqlite(50).await;
    place.run(&["encrypt", "--backup", "kept.atrest"]).expect(0);
    let path = place.folder().join("kept.atrest");
    let whole = std::fs::read(&path).unwrap();
    let sealed = place.db.dump().await;
    let mut damaged = whole.clone();
    damaged[96] = 0x7f;
    for bytes in [&whole[..whole.len() - 1], &damaged] {
        std::fs::write(&path, bytes).unwrap();
        for arguments in [
            &["restore", "kept.atrest"][..],
            &["restore", "kept.atrest", "--force"],
            &["verify", "--against", "kept.atrest"],
        ] {
            place.run(arguments).expect(2).says("damaged");
        }
    }
    place.db.dump().await.assert_same(&sealed);

    // As a killed run leaves it: without its mark.
    let mut unfinished = whole.clone();
    unfinished[48..96].fill(0);
    std::fs::write(&path, &unfinished).unwrap();
    place
        .run(&["verify", "--against", "kept.atrest"])
        .expect(1)
        .says("the backup is not finished");
    let json = place
        .run(&["restore", "kept.atrest", "--json"])
        .expect(1)
        .json();
    assert_eq!(
        (&json["ok"], &json["columns"][0]["unfinished"]),
        (&false.into(), &true.into())
    );
    assert_eq!(json["columns"][0]["changed"], 45);
    assert_eq!(place.tokens().await, 0);
}
