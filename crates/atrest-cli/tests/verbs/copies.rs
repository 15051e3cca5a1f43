//! Old copies of the table of keys: whatever it said when it was copied, who was forgotten
//! stays so.

use std::time::Duration;

use atrest_testing::ScratchDatabase;

use crate::forget::place;
use crate::support::Place;

impl Place {
    /// It is told, and `forget --due` mends it.
    fn told_and_destroyed_again(&self) {
        self.run(&["verify"]).expect(1).says("are back");
        let told = self.run(&["verify", "--json"]).expect(1).json();
        assert_eq!(told["subjects_back"].as_array().unwrap().len(), 1);
        self.run(&["status"]).expect(1).says("was put back");
        self.run(&["forget", "--due"])
            .expect(0)
            .says("had come back");
        self.run(&["verify"]).expect(0);
        self.run(&["forget", "--due"]).expect(0).hides("come back");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_the_time_to_undo() {
    for undo in ["7d", "1s"] {
        let undo = format!("[subjects]\nundo = \"{undo}\"\n");
        let place = place(ScratchDatabase::sqlite().await, &undo).await;
        place.run(&["forget", "anna", "--yes"]).expect(0);
        place.copy_keys().await;
        std::thread::sleep(Duration::from_millis(1100));
        place
            .run(&["forget", "anna", "--now", "--yes"])
            .expect(0)
            .says("Receipt");
        place.put_keys_back().await;
        place.told_and_destroyed_again();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hold() {
    let place = place(ScratchDatabase::sqlite().await, "").await;
    place
        .run(&["forget", "anna", "--legal-hold", "case 12/2026"])
        .expect(0);
    place.copy_keys().await;
    place.run(&["forget", "anna", "--release-hold"]).expect(0);
    place.run(&["forget", "anna", "--yes"]).expect(0);
    place.put_keys_back().await;
    place.told_and_destroyed_again();
}

/// What came since under a new key stays.
#[tokio::test(flavor = "multi_thread")]
async fn of_who_writes_again() {
    let place = place(ScratchDatabase::sqlite().await, "").await;
    place.copy_keys().await;
    place.run(&["forget", "anna", "--yes"]).expect(0);
    place.put_keys_back().await;
    place
        .db
        .execute("UPDATE people SET email = 'new@example.org' WHERE id = 1")
        .await;
    place.run(&["encrypt", "--yes"]).expect(0);
    place
        .run(&["forget", "--due"])
        .expect(0)
        .says("had come back");
    place.run(&["verify"]).expect(0);
    place
        .run(&["inspect", "people", "1", "--reveal"])
        .expect(0)
        .says("new@example.org");
}
