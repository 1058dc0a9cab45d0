#![allow(clippy::unwrap_used)]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

fn settings() -> weir_config::Login {
    weir_config::Login {
        realm: "Weir".into(),
        attempts: 3,
        window: Duration::from_secs(300),
        cache_entries: 100,
        cache_lifetime: Duration::from_secs(900),
        verifiers: 2,
    }
}

fn verifier() -> Verifier {
    Verifier::new(&settings(), Duration::from_secs(60)).unwrap()
}

fn users() -> Arc<Users> {
    let mut users = Users::default();
    users.add("Anna", &["pupils".to_owned()], b"right").unwrap();
    users.add("bert", &[], b"other").unwrap();
    Arc::new(users)
}

fn basic(user_pass: &str) -> Vec<u8> {
    format!("Basic {}", STANDARD.encode(user_pass)).into_bytes()
}

async fn wrong_times(verifier: &Verifier, users: &Arc<Users>, times: usize) {
    for attempt in 0..times {
        let header = basic(&format!("anna:wrong{attempt}"));
        let outcome = verifier.verify(users, &header, CLIENT).await;
        assert!(matches!(outcome, Outcome::Wrong { .. }), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_right_password_makes_its_user_known_and_cached() {
    let (verifier, users) = (verifier(), users());
    let header = basic("anna:right");
    assert!(verifier.cached(&users, &header).is_none());
    let Outcome::Known { user, age } = verifier.verify(&users, &header, CLIENT).await else {
        panic!("not known");
    };
    assert_eq!((&*user.name, age), ("Anna", Duration::ZERO));
    assert_eq!(&*verifier.cached(&users, &header).unwrap().0.name, "Anna");
}

#[tokio::test]
async fn wrong_passwords_and_unknown_names_are_wrong_alike_and_never_cached() {
    let (verifier, users) = (verifier(), users());
    for sent in ["anna:wrong", "nobody:right", "anna:"] {
        let Outcome::Wrong { claimed } = verifier.verify(&users, &basic(sent), CLIENT).await else {
            panic!("{sent} was not wrong");
        };
        assert_eq!(claimed.as_deref(), sent.split(':').next());
        assert!(verifier.cached(&users, &basic(sent)).is_none());
    }
}

#[tokio::test]
async fn an_unknown_name_runs_argon2_at_the_cost_of_a_known_one() {
    let verifier = verifier();
    let costs = |phc: &str| {
        phc.rsplit_once('$')
            .unwrap()
            .0
            .rsplit_once('$')
            .unwrap()
            .0
            .to_owned()
    };
    assert_eq!(
        costs(&verifier.decoy),
        costs(users().get("anna").unwrap().phc())
    );
    assert!(!users::verify(&verifier.decoy, b"anything"));
    let began = Instant::now();
    assert!(!users::verify(&verifier.decoy, b"anything"));
    assert!(
        began.elapsed() > Duration::from_millis(2),
        "the decoy is not worked on"
    );
}

#[tokio::test]
async fn an_address_that_failed_too_often_is_throttled_without_a_verification() {
    let (verifier, users) = (verifier(), users());
    wrong_times(&verifier, &users, 3).await;
    let outcome = verifier.verify(&users, &basic("anna:right"), CLIENT).await;
    let Outcome::Throttled { retry_after } = outcome else {
        panic!("{outcome:?}")
    };
    assert!(retry_after > Duration::from_secs(200));
    assert!(verifier.cached(&users, &basic("anna:right")).is_none());
    let elsewhere = verifier.verify(&users, &basic("anna:right"), OTHER).await;
    assert!(matches!(elsewhere, Outcome::Known { .. }));
}

#[tokio::test]
async fn a_cached_login_is_never_throttled() {
    let (verifier, users) = (verifier(), users());
    let header = basic("bert:other");
    assert!(matches!(
        verifier.verify(&users, &header, CLIENT).await,
        Outcome::Known { .. }
    ));
    wrong_times(&verifier, &users, 3).await;
    assert!(matches!(
        verifier.verify(&users, &header, CLIENT).await,
        Outcome::Known { .. }
    ));
}

#[tokio::test]
async fn a_changed_password_or_a_removed_user_ends_cached_logins_at_once() {
    let (verifier, before) = (verifier(), users());
    let header = basic("anna:right");
    assert!(matches!(
        verifier.verify(&before, &header, CLIENT).await,
        Outcome::Known { .. }
    ));
    let mut changed = Users::clone(&before);
    changed.set_password("anna", b"new").unwrap();
    assert!(verifier.cached(&changed, &header).is_none());
    let outcome = verifier.verify(&Arc::new(changed), &header, CLIENT).await;
    assert!(matches!(outcome, Outcome::Wrong { .. }));
    let mut without = Users::clone(&before);
    without.remove("anna").unwrap();
    assert!(verifier.cached(&without, &header).is_none());
}

#[tokio::test]
async fn what_is_not_basic_is_malformed_and_counts_nothing() {
    let (verifier, users) = (verifier(), users());
    for _ in 0..10 {
        let outcome = verifier.verify(&users, b"Bearer abc", CLIENT).await;
        assert!(matches!(outcome, Outcome::Malformed));
    }
    let outcome = verifier.verify(&users, &basic("anna:right"), CLIENT).await;
    assert!(matches!(outcome, Outcome::Known { .. }));
}

#[tokio::test]
async fn many_requests_at_once_share_one_verification() {
    let (verifier, users) = (verifier(), users());
    let header = basic("anna:wrong");
    let together = (0..10).map(|_| verifier.verify(&users, &header, CLIENT));
    for outcome in futures_util::future::join_all(together).await {
        assert!(matches!(outcome, Outcome::Wrong { .. }), "{outcome:?}");
    }
    // Ten failures would have used up the three attempts; one run is one failure.
    let outcome = verifier.verify(&users, &basic("anna:right"), CLIENT).await;
    assert!(matches!(outcome, Outcome::Known { .. }), "{outcome:?}");
    assert!(verifier.flights.is_empty());
}

#[tokio::test]
async fn a_guess_whose_sender_hangs_up_still_counts() {
    let (verifier, users) = (Arc::new(verifier()), users());
    for attempt in 0..3 {
        let (verifying, users) = (verifier.clone(), users.clone());
        let header = basic(&format!("anna:guess{attempt}"));
        let guess = tokio::spawn(async move { verifying.verify(&users, &header, CLIENT).await });
        while verifier.verifiers.available_permits() == 2 {
            tokio::task::yield_now().await;
        }
        guess.abort();
        assert!(guess.await.is_err(), "the guess was to be cut short");
        drop(verifier.verifiers.acquire_many(2).await.unwrap());
    }
    let outcome = verifier.verify(&users, &basic("anna:right"), CLIENT).await;
    assert!(matches!(outcome, Outcome::Throttled { .. }), "{outcome:?}");
    assert!(verifier.flights.is_empty());
}

#[tokio::test]
async fn when_no_verifier_comes_free_in_time_the_login_is_busy_and_not_counted() {
    let verifier = Verifier::new(&settings(), Duration::from_millis(20)).unwrap();
    let users = users();
    let taken = verifier.verifiers.acquire_many(2).await.unwrap();
    let outcome = verifier.verify(&users, &basic("anna:right"), CLIENT).await;
    assert!(matches!(outcome, Outcome::Busy), "{outcome:?}");
    drop(taken);
    assert!(verifier.flights.is_empty());
    assert!(
        verifier
            .memory
            .throttle
            .retry_after(CLIENT, Instant::now())
            .is_none()
    );
}

#[tokio::test]
async fn the_queue_for_verifiers_is_bounded() {
    let (verifier, users) = (verifier(), users());
    let places = u32::try_from(verifier.places.available_permits()).unwrap();
    let _all = verifier.places.acquire_many(places).await.unwrap();
    let outcome = verifier.verify(&users, &basic("anna:right"), CLIENT).await;
    assert!(matches!(outcome, Outcome::Busy), "{outcome:?}");
}
