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
