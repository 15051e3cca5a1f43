//! Values of subjects as an application sees them, on real databases.
#![cfg(feature = "subjects")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use atrest::{Environment, FieldError, Fields, Key, Policy, SubjectError, Suite, Value};
use atrest_engine::subjects::{SubjectKeyring, Subjects};
use atrest_keys::keyring::{KeyPurpose, KeyringFile, OpenKeyring};
use atrest_keys::{Settings, source};
use atrest_testing::ScratchDatabase;
use jiff::Timestamp;

/// A policy with a keyring beside the scratch database, and its column `t.v`.
struct Place<'s> {
    scratch: &'s ScratchDatabase,
    root: String,
    opened: OpenKeyring,
}

impl<'s> Place<'s> {
    async fn new(scratch: &'s ScratchDatabase, with_subjects: bool) -> Self {
        let root = Key::generate().unwrap().to_base64url().to_string();
        let environment = Environment::new([("ROOT".to_owned(), root.clone())]);
        let source = source::parse("env:ROOT", &Settings::new(scratch.folder())).unwrap();
        let file = KeyringFile::new(scratch.folder().join("atrest.keyring"));
        let now = Timestamp::now();
        let new = OpenKeyring::create(&*source, "env:ROOT", &environment, now, &[]).unwrap();
        let mut opened = new.store(&file, &*source, &environment).await.unwrap();
        for purpose in [KeyPurpose::Subjects, KeyPurpose::Index] {
            if with_subjects {
                let new = opened.ensure(purpose, now).unwrap().unwrap();
                opened = new.store(&file, &*source, &environment).await.unwrap();
            }
        }
        Self {
            scratch,
            root,
            opened,
        }
    }

    fn fields(&self, column: &str) -> Fields {
        let text = format!(
            "[keys]\nkeyring = \"atrest.keyring\"\nroot = \"env:ROOT\"\n[database]\nurl = \"sqlite:a\"\n[[column]]\ntable = \"t\"\nname = \"v\"\nsubject = \"owner\"\n{column}\n[[column]]\ntable = \"t\"\nname = \"plain\"\n"
        );
        let origin = self.scratch.folder().join("atrest.toml");
        let policy = Policy::parse(&text, origin.to_str().unwrap()).unwrap();
        Fields::from_policy(policy, self.environment()).unwrap()
    }

    fn environment(&self) -> Environment {
        Environment::new([("ROOT".to_owned(), self.root.clone())])
    }

    /// Another process uses the database with a keyring of this generation.
    async fn seen(&self, generation: u64) {
        let database = atrest_sql::connect(self.scratch.url()).await.unwrap();
        let keys = SubjectKeyring {
            wrapping: self.opened.subjects().unwrap(),
            index: self.opened.index().unwrap(),
            forgotten: Vec::new(),
        };
        let subjects = Subjects::new(database, self.opened.data(), keys);
        assert_eq!(subjects.witness(generation).await.unwrap(), None);
    }

    /// As `atrest forget` does.
    async fn forget(&self, subject: &str, destroy: bool) {
        let database = atrest_sql::connect(self.scratch.url()).await.unwrap();
        let keys = SubjectKeyring {
            wrapping: self.opened.subjects().unwrap(),
            index: self.opened.index().unwrap(),
            forgotten: Vec::new(),
        };
        let subjects = Subjects::new(database, self.opened.data(), keys);
        let (tag, now) = (subjects.tag(subject), Timestamp::now());
        subjects.forget(subject, now, now).await.unwrap();
        if destroy {
            subjects.destroy(&tag, now).await.unwrap();
        }
    }
}

async fn every_value_opens_for_its_owner_alone(scratch: &ScratchDatabase) {
    let place = Place::new(scratch, true).await;
    for suite in Suite::ALL {
        let fields = place.fields(&format!("suite = \"{suite}\""));
        let people = fields.subjects(scratch.url()).await.unwrap();
        let email = fields.field("t.v").unwrap();
        let owner = |n: usize| format!("{suite} {n}");
        let keys = people.keys_to_seal((0..300).map(owner)).await.unwrap();
        assert_eq!(keys.len(), 300);
        let mut stored = Vec::new();
        for n in 0..300 {
            let theirs = email.of(&keys[&owner(n)]).unwrap();
            stored.push(theirs.seal_str(&format!("secret {n}")).unwrap());
        }
        // As another process reads them.
        let people = place.fields("").subjects(scratch.url()).await.unwrap();
        let keys = people.keys((0..300).map(owner)).await.unwrap();
        for (n, token) in stored.iter().enumerate() {
            let theirs = email.of(&keys[&owner(n)]).unwrap();
            assert_eq!(theirs.open_str(token).unwrap(), format!("secret {n}"));
            let anothers = email.of(&keys[&owner((n + 1) % 300)]).unwrap();
            assert!(anothers.open_str(token).is_err());
            assert!(matches!(
                anothers.read_str(token),
                Err(FieldError::Open { .. })
            ));
        }
        let nobodys = email.of_nobody().unwrap();
        let token = nobodys.seal_str("nobody's").unwrap();
        assert_eq!(nobodys.open_str(&token).unwrap(), "nobody's");
        // Sealed before the subject had a key: still opens.
        assert_eq!(
            email
                .of(&keys[&owner(7)])
                .unwrap()
                .open_str(&token)
                .unwrap(),
            "nobody's"
        );
        assert!(nobodys.open_str(&stored[0]).is_err());
        assert_eq!(
            email
                .of(&keys[&owner(7)])
                .unwrap()
                .read_str("clear")
                .unwrap(),
            Value::InClear("clear".to_owned())
        );
    }
}

async fn who_is_forgotten_is_told_from_what_is_damaged(scratch: &ScratchDatabase) {
    let place = Place::new(scratch, true).await;
    for suite in Suite::ALL {
        let fields = place.fields(&format!("suite = \"{suite}\""));
        let field = fields.field("t.v").unwrap();
        let (gone, going) = (format!("gone {suite}"), format!("going {suite}"));
        let keys = fields.subjects(scratch.url()).await.unwrap();
        let keys = keys.keys_to_seal([&gone, &going]).await.unwrap();
        let was = field.of(&keys[&gone]).unwrap().seal_str("secret").unwrap();
        let is = field.of(&keys[&going]).unwrap().seal_str("secret").unwrap();
        place.forget(&gone, true).await;
        place.forget(&going, false).await;

        let people = fields.subjects(scratch.url()).await.unwrap();
        let keys = people.keys([&gone, &going]).await.unwrap();
        for (who, token) in [(&gone, &was), (&going, &is)] {
            let field = field.of(&keys[who]).unwrap();
            for error in [
                field.open_str(token).map(|_| ()).unwrap_err(),
                field.read_str(token).map(|_| ()).unwrap_err(),
            ] {
                assert!(
                    matches!(error, FieldError::Forgotten { .. }),
                    "{suite}: {error}"
                );
                let text = error.to_string();
                assert!(
                    !text.contains(who.as_str()) && !text.contains(token.as_str()),
                    "{text}"
                );
            }
        }
        let sealed = field.of(&keys[&going]).unwrap().seal_str("more");
        assert!(
            matches!(sealed, Err(FieldError::Forgotten { .. })),
            "{sealed:?}"
        );
        let sealed = field.of(&keys[&gone]).unwrap().seal_str("more");
        assert!(
            matches!(sealed, Err(FieldError::NeedsKey { .. })),
            "{sealed:?}"
        );
        // Who comes back has a key of the new time, and the old value stays gone.
        let keys = people.keys_to_seal([&gone]).await.unwrap();
        let again = field.of(&keys[&gone]).unwrap();
        let token = again.seal_str("new").unwrap();
        assert_eq!(again.open_str(&token).unwrap(), "new");
        assert!(matches!(
            again.open_str(&was),
            Err(FieldError::Forgotten { .. })
        ));
    }
}

async fn what_is_missing_is_said(scratch: &ScratchDatabase) {
    let place = Place::new(scratch, true).await;
    let fields = place.fields("");
    let people = fields.subjects(scratch.url()).await.unwrap();
    let (field, plain) = (
        fields.field("t.v").unwrap(),
        fields.field("t.plain").unwrap(),
    );
    for error in [
        field.seal_str("x").unwrap_err(),
        field.open_str("x").unwrap_err(),
        field.read_str("x").map(|_| ()).unwrap_err(),
    ] {
        assert!(matches!(error, FieldError::NeedsSubject { .. }), "{error}");
        assert!(error.to_string().contains("`of_nobody`"), "{error}");
    }
    let keys = people.keys(["new"]).await.unwrap();
    let error = field.of(&keys["new"]).unwrap().seal_str("x").unwrap_err();
    assert!(error.to_string().contains("`keys_to_seal`"), "{error}");
    let error = plain.of(&keys["new"]).unwrap_err();
    assert!(matches!(error, FieldError::NoSubject { .. }), "{error}");
    assert!(matches!(
        plain.of_nobody(),
        Err(FieldError::NoSubject { .. })
    ));
    let unknown = field
        .of(&keys["new"])
        .unwrap()
        .open_str("ar1.xxxx")
        .unwrap_err();
    assert!(matches!(unknown, FieldError::Open { .. }), "{unknown}");

    people.keys_to_seal(["new"]).await.unwrap();
    place.seen(place.opened.generation() + 1).await;
    let error = fields.subjects(scratch.url()).await.unwrap_err();
    assert!(matches!(error, FieldError::OldKeyring { .. }), "{error}");
    scratch
        .execute("DELETE FROM atrest_keys WHERE name = 'newest keyring'")
        .await;
    scratch.execute("UPDATE atrest_keys SET mac = 'x'").await;
    let people = fields.subjects(scratch.url()).await.unwrap();
    let error = people.keys(["new"]).await.unwrap_err();
    assert!(
        matches!(&error, FieldError::Subjects(SubjectError::Damaged { .. })),
        "{error}"
    );

    let other = atrest_testing::ScratchDatabase::sqlite().await;
    let bare = Place::new(&other, false).await;
    let error = bare.fields("").subjects(other.url()).await.unwrap_err();
    assert!(matches!(error, FieldError::NoSubjectKeys { .. }), "{error}");
    let text = "[keys]\nprimary = \"env:ROOT\"\n";
    let direct = Fields::from_policy(
        Policy::parse(text, "atrest.toml").unwrap(),
        bare.environment(),
    );
    let error = direct.unwrap().subjects(other.url()).await.unwrap_err();
    assert!(
        matches!(error, FieldError::Subjects(SubjectError::NoKeyring)),
        "{error}"
    );
    let error = fields.subjects("nothing://x").await.unwrap_err();
    assert!(matches!(error, FieldError::Database(_)), "{error}");
}

macro_rules! on_every_database {
    ($($name:ident),* $(,)?) => {
        on_every_database!(@one sqlite $($name)*);
        on_every_database!(@one postgres $($name)*);
        on_every_database!(@one mariadb $($name)*);
    };
    (@one $kind:ident $($name:ident)*) => {
        mod $kind {
            use atrest_testing::ScratchDatabase;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(&ScratchDatabase::$kind().await).await;
                }
            )*
        }
    };
}

on_every_database!(
    every_value_opens_for_its_owner_alone,
    who_is_forgotten_is_told_from_what_is_damaged,
    what_is_missing_is_said,
);

/// A keyring that is in the database is found there, and only there.
#[tokio::test(flavor = "multi_thread")]
async fn a_keyring_in_the_database() {
    for scratch in [
        ScratchDatabase::sqlite().await,
        ScratchDatabase::postgres().await,
        ScratchDatabase::mariadb().await,
    ] {
        let policy = scratch.folder().join("atrest.toml");
        let text = format!(
            "[keys]\nkeyring = \"database\"\nroot = \"env:ROOT\"\n[database]\nurl = \"{}\"\n\
             [[column]]\ntable = \"people\"\nname = \"email\"\n",
            scratch.url()
        );
        std::fs::write(&policy, text).unwrap();
        let root = Key::generate().unwrap().to_base64url().to_string();
        let environment = || Environment::new([("ROOT".to_owned(), root.clone())]);
        let connect = || Fields::connect(&policy, environment(), scratch.url());
        let missing = connect().await.unwrap_err().to_string();
        assert!(missing.contains("atrest key init"), "{missing}");
        assert!(matches!(
            Fields::load(&policy, environment()),
            Err(FieldError::KeyringInDatabase)
        ));

        let source = source::parse("env:ROOT", &Settings::new(scratch.folder())).unwrap();
        let now = Timestamp::now();
        let new = OpenKeyring::create(&*source, "env:ROOT", &environment(), now, &[]).unwrap();
        let database = atrest_sql::connect(scratch.url()).await.unwrap();
        let table = atrest_sql::KeyringTable::new(database.clone());
        let made = new.store(&table, &*source, &environment()).await.unwrap();
        database.close().await;

        let fields = connect().await.unwrap();
        let email = fields.field("people.email").unwrap();
        let stored = email.seal_str("ada@example.org").unwrap();
        let again = connect().await.unwrap();
        let again = again.field("people.email").unwrap();
        assert_eq!(again.open_str(&stored).unwrap(), "ada@example.org");
        assert_eq!(fields.keyring().primary().id(), made.data().primary().id());

        let other = Key::generate().unwrap().to_base64url().to_string();
        let other = Environment::new([("ROOT".to_owned(), other)]);
        let refused = Fields::connect(&policy, other, scratch.url()).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("does not open"), "{refused}");
    }
}
