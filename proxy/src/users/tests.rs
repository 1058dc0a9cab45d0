#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;

use super::*;

const FILE: &str = "users.toml";
const PHC: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$\
                   G4Hy1ptYkCxEfMx8yCDm5LZ3j4KkTJOlLZdKNCGTIQE";

fn groups(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

fn entry(name: &str, password: &str) -> String {
    format!("[[user]]\nname = {name:?}\ngroups = [\"pupils\"]\npassword = {password:?}\n")
}

fn faults(text: &str) -> Vec<Fault> {
    Users::parse(text, Path::new("users.toml")).unwrap_err().0
}

#[test]
fn a_missing_file_means_no_users() {
    let directory = tempfile::tempdir().unwrap();
    let users = Users::load(&directory.path().join(FILE)).unwrap();
    assert_eq!(users.list().len(), 0);
}

#[test]
fn an_added_user_comes_back_from_the_file_with_a_working_password() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state").join(FILE);
    let added = groups(&["pupils", "year-7", "pupils"]);
    Users::edit(&path, |users| {
        users.add("Zoë O'Neil", &added, b"corr\xc3\xa9ct")
    })
    .unwrap();
    let users = Users::load(&path).unwrap();
    let user = users.get("zoë o'neil").unwrap();
    assert_eq!(&*user.name, "Zoë O'Neil");
    assert_eq!(user.groups, [Arc::from("pupils"), Arc::from("year-7")]);
    assert!(verify(user.phc(), b"corr\xc3\xa9ct"));
    assert!(!verify(user.phc(), b"correct"));
}

#[test]
fn the_file_is_for_its_owner_only_and_no_temporary_file_stays() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    Users::edit(&path, |users| users.add("anna", &[], b"secret")).unwrap();
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(!directory.path().join("users.toml.new").exists());
}

#[test]
fn new_hashes_have_the_documented_costs() {
    let phc = hash(b"secret").unwrap();
    assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
    assert_ne!(phc, hash(b"secret").unwrap(), "every hash has its own salt");
}

#[test]
fn a_password_in_the_clear_never_reaches_the_file_or_a_debug_line() {
    let mut users = Users::default();
    users.add("anna", &[], b"hunter42").unwrap();
    assert!(!users.to_toml().contains("hunter42"));
    let shown = format!("{users:?}");
    assert!(!shown.contains("argon2"), "{shown}");
}

#[test]
fn a_new_password_replaces_the_old_one() {
    let mut users = Users::default();
    users.add("anna", &[], b"old").unwrap();
    users.set_password("ANNA", b"new").unwrap();
    let user = users.get("anna").unwrap();
    assert!(verify(user.phc(), b"new"));
    assert!(!verify(user.phc(), b"old"));
}

#[test]
fn a_name_is_taken_whatever_its_case() {
    let mut users = Users::default();
    users.add("anna", &[], b"secret").unwrap();
    assert!(matches!(
        users.add("Anna", &[], b"secret"),
        Err(UsersError::Exists(_))
    ));
    users.remove("ANNA").unwrap();
    assert!(matches!(users.remove("anna"), Err(UsersError::Unknown(_))));
    assert!(matches!(
        users.set_password("anna", b"x"),
        Err(UsersError::Unknown(_))
    ));
}

#[test]
fn names_that_basic_or_the_record_cannot_carry_are_refused() {
    let long = "a".repeat(65);
    for name in [
        "",
        " anna",
        "anna ",
        "a:b",
        "a,b",
        "a\nb",
        "a\"b",
        "a\\b",
        "a\u{202e}b",
        &long,
    ] {
        let refused = Users::default().add(name, &[], b"secret");
        assert!(matches!(refused, Err(UsersError::Name(..))), "{name:?}");
        let refused = Users::default().add("anna", &groups(&[name]), b"secret");
        assert!(
            matches!(refused, Err(UsersError::Name(..))),
            "group {name:?}"
        );
    }
}

#[test]
fn passwords_that_cannot_be_sent_or_cost_too_much_are_refused() {
    let long = [b'a'; 257];
    for password in [&b""[..], b"a\0b", b"a\nb", &long] {
        let refused = Users::default().add("anna", &[], password);
        assert!(matches!(refused, Err(UsersError::Password(_))));
    }
}

#[test]
fn every_faulty_entry_is_reported_with_its_line() {
    let text = [
        entry("anna", PHC),
        entry("b:ert", PHC),
        entry("ANNA", PHC),
        entry("carl", "plain text"),
        entry("dora", &PHC.replace("argon2id", "argon2i")),
        entry("emil", &PHC.replace("m=19456", "m=9999999")),
    ];
    let lines: Vec<_> = faults(&text.concat())
        .iter()
        .map(|fault| fault.line)
        .collect();
    assert_eq!(lines, [Some(5), Some(9), Some(13), Some(17), Some(21)]);
}

#[test]
fn an_unknown_key_and_broken_toml_are_reported_with_their_line() {
    let unknown = faults(&format!("{}shoe_size = 43\n", entry("anna", PHC)));
    assert_eq!(unknown.first().unwrap().line, Some(5));
    let broken = faults("\n\n[[user]\n");
    assert_eq!(broken.first().unwrap().line, Some(3));
}

#[test]
fn a_faulty_file_is_not_overwritten_by_a_command() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    fs::write(&path, "nonsense").unwrap();
    let refused = Users::edit(&path, |users| users.add("anna", &[], b"secret"));
    assert!(matches!(refused, Err(UsersError::Faults(_))));
    assert_eq!(fs::read_to_string(&path).unwrap(), "nonsense");
}

#[test]
fn commands_at_the_same_time_lose_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    std::thread::scope(|scope| {
        for name in ["anna", "bert", "carl", "dora"] {
            let path = &path;
            scope.spawn(move || Users::edit(path, |users| users.add(name, &[], b"pw")).unwrap());
        }
    });
    assert_eq!(Users::load(&path).unwrap().list().len(), 4);
}
