//! A server that answers, fails, hangs and comes back, without a network.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use atrest_core::{Context, Key};
use zeroize::Zeroizing;

use super::{Deliver, Delivering, Failure, Wrap, Wrapping};
use crate::{Environment, KeySource, KeySourceError, RemoteProblem, Settings};

/// What the server does with the next request.
#[derive(Debug, Clone, Copy)]
enum Mood {
    Answers,
    Fails(RemoteProblem),
    Hangs,
    FailsOnce,
}

#[derive(Debug)]
struct Server {
    mood: Mutex<Mood>,
    asked: AtomicUsize,
}

impl Server {
    fn new(mood: Mood) -> Self {
        Self {
            mood: Mutex::new(mood),
            asked: AtomicUsize::new(0),
        }
    }

    fn becomes(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn ask(&self) -> Result<(), Failure> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mood = *self.mood.lock().unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
        match mood {
            Mood::Answers => Ok(()),
            Mood::Fails(problem) => Err(Failure::new(problem, "503", "wait")),
            Mood::Hangs => std::future::pending().await,
            Mood::FailsOnce => {
                self.becomes(Mood::Answers);
                Err(Failure::new(RemoteProblem::Throttled, "", "wait"))
            }
        }
    }
}

impl Deliver for Server {
    fn name(&self) -> &str {
        "test:secret"
    }

    async fn deliver(&self, _: &Environment) -> Result<Zeroizing<String>, Failure> {
        self.ask().await?;
        Ok(Zeroizing::new("07".repeat(32)))
    }
}

impl Wrap for Server {
    fn name(&self) -> &str {
        "test:service"
    }

    async fn wrap(&self, key: &[u8; 32], _: &[u8], _: &Environment) -> Result<Vec<u8>, Failure> {
        self.ask().await?;
        Ok(key.to_vec())
    }

    async fn unwrap(
        &self,
        wrapped: &[u8],
        _: &[u8],
        _: &Environment,
    ) -> Result<Zeroizing<Vec<u8>>, Failure> {
        self.ask().await?;
        Ok(Zeroizing::new(wrapped.to_vec()))
    }
}

fn settings() -> Settings {
    Settings {
        timeout: Duration::from_millis(500),
        cache: Duration::from_millis(200),
        grace: Duration::from_millis(800),
        ..Settings::new(".")
    }
}

fn problem<T: std::fmt::Debug>(result: Result<T, KeySourceError>) -> RemoteProblem {
    match result.unwrap_err() {
        KeySourceError::Remote { problem, .. } => problem,
        other => panic!("{other}"),
    }
}

#[test]
fn an_answer_is_kept_and_asked_for_once_by_all() {
    let source = Delivering::new(Server::new(Mood::Answers), &Settings::new("."));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| source.keys(&Environment::default()).unwrap());
        }
    });
    assert_eq!(source.store.asked(), 1);
    assert_eq!(source.health().unwrap().answered, 1);
}

#[test]
fn what_may_pass_is_tried_again() {
    let source = Delivering::new(Server::new(Mood::FailsOnce), &Settings::new("."));
    source.keys(&Environment::default()).unwrap();
    assert_eq!(source.store.asked(), 2);
}

#[test]
fn a_no_is_believed_at_once() {
    let mood = Mood::Fails(RemoteProblem::Denied);
    let source = Delivering::new(Server::new(mood), &settings());
    let env = Environment::default();
    assert_eq!(problem(source.keys(&env)), RemoteProblem::Denied);
    assert_eq!(source.store.asked(), 1);
    source.store.becomes(Mood::Answers);
    source.keys(&env).unwrap();
    std::thread::sleep(Duration::from_millis(250));
    source.store.becomes(mood);
    assert_eq!(problem(source.keys(&env)), RemoteProblem::Denied);
}

#[test]
fn a_server_that_hangs_costs_no_more_than_the_time_limit() {
    let source = Delivering::new(Server::new(Mood::Hangs), &settings());
    let begin = Instant::now();
    let error = source.keys(&Environment::default()).unwrap_err();
    assert!(begin.elapsed() < Duration::from_secs(2));
    assert!(error.to_string().contains("test:secret"), "{error}");
    assert!(error.to_string().contains("500ms"), "{error}");
}

#[test]
fn while_the_server_is_down_grace_runs_and_ends() {
    let source = Delivering::new(Server::new(Mood::Answers), &settings());
    let env = Environment::default();
    source.keys(&env).unwrap();
    let begin = Instant::now();
    source
        .store
        .becomes(Mood::Fails(RemoteProblem::Unreachable));
    std::thread::sleep(Duration::from_millis(250));
    source.keys(&env).unwrap();
    assert!(source.health().unwrap().stale);
    std::thread::sleep(Duration::from_millis(1100).saturating_sub(begin.elapsed()));
    assert_eq!(problem(source.keys(&env)), RemoteProblem::Unreachable);
    source.store.becomes(Mood::Answers);
    source.keys(&env).unwrap();
    assert!(!source.health().unwrap().stale);
}

#[test]
fn a_service_that_wraps_shows_no_key_and_is_asked_once_for_each() {
    let source = Wrapping::new(Server::new(Mood::Answers), &Settings::new("."));
    let env = Environment::default();
    let place = Context::new("keyring");
    assert!(!source.delivers());
    assert!(matches!(
        source.keys(&env),
        Err(KeySourceError::WrapsOnly { .. })
    ));
    let key = Key::from_bytes([7; 32]);
    let wrapped = source.wrap_key(&key, &place, &env).unwrap();
    for _ in 0..5 {
        let opened = source.unwrap_key(&wrapped, &place, &env).unwrap();
        assert_eq!(opened.id(), key.id());
    }
    assert_eq!(source.service.asked(), 2);
    // Kept for this place only.
    source
        .unwrap_key(&wrapped, &Context::new("elsewhere"), &env)
        .unwrap();
    assert_eq!(source.service.asked(), 3);
    let error = source.unwrap_key(&[1; 31], &place, &env);
    assert_eq!(problem(error), RemoteProblem::Format);
}

#[tokio::test]
async fn sources_can_be_asked_on_a_runtime() {
    let source = Delivering::new(Server::new(Mood::Answers), &Settings::new("."));
    source.keys(&Environment::default()).unwrap();
}
