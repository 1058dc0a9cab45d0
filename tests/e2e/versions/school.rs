//! A school whose lists are changed in every way there is, with a model that is changed beside them.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use serde_json::Value;
use weir_tests::eventually;
use weir_tests::origin::Origin;
use weir_tests::process::Weir;
use weir_tests::site::{Site, own_ip};

use super::load::Targets;
use super::model::{EDITED, IMPORTED, Model, Names, names};

/// A state of all lists that a change led to.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// As `weir lists stats` names it.
    pub(super) version: String,
    pub(super) model: Model,
    /// The change, in words.
    pub(super) what: String,
    /// When the change began, and when it was done.
    pub(super) begun: (Instant, SystemTime),
    pub(super) done: (Instant, SystemTime),
    /// When this state, or a later one, was seen in force.
    pub(super) in_force: Option<Instant>,
    /// The test waited until this very state was in force.
    pub(super) awaited: bool,
}

/// The school, and every state that its lists had.
pub(super) struct School {
    pub(super) site: Site,
    pub(super) states: Vec<State>,
    model: Model,
    /// What was imported, in order.
    imports: Vec<Names>,
    /// The edited lists and their exceptions before the last change of them.
    before: (Names, Names),
}

/// Names that the lists file away differently from version to version.
const LOCAL: usize = 8;
const FAR: usize = 12;

fn local(numbers: std::ops::Range<usize>) -> BTreeSet<String> {
    numbers.map(|at| format!("l{at}.test")).collect()
}

/// What the publisher sends: every second time all names are in other categories, and half of them by other entries.
pub(super) fn far(turn: usize) -> Names {
    let name = |at: usize| match (at % 2, turn % 2) {
        (0, 0) => format!("f{at}.test"),
        _ => format!("www.f{at}.test"),
    };
    let places = ["gambling", "social", "games", "news"];
    let mut names = Names::new();
    for at in 0..FAR {
        let category = places[(at + turn) % places.len()];
        names
            .entry(category.to_owned())
            .or_default()
            .insert(name(at));
    }
    names
}

impl School {
    /// With lists of both kinds, not started.
    pub(super) fn new() -> (School, Targets) {
        let web = Origin::standard(own_ip());
        let secure = Origin::raw(own_ip(), |mut socket, _| {
            use std::io::{Read, Write};
            let _ = socket.read(&mut [0; 4096])?;
            socket.write_all(b"y")?;
            // Until the client has gone.
            let _ = socket.read(&mut [0; 16]);
            Ok(())
        });
        let mut site = Site::new();
        site.set("connect.tls_ports", &format!("[{}]", secure.port()));
        site.set("connect.http_ports", &format!("[{}]", web.port()));
        site.set("deadlines.hello", "\"10s\"");
        let lists = (0..LOCAL).map(|at| format!("l{at}.test"));
        let all = lists.chain((0..FAR).map(|at| format!("f{at}.test")));
        let all: Vec<String> = all.chain(["free.test".to_owned()]).collect();
        let both = all
            .iter()
            .flat_map(|name| [name.clone(), format!("www.{name}")]);
        let asked: Arc<[String]> = both.collect();
        for name in asked.iter() {
            site.hosts(&[name]);
        }
        let targets = Targets {
            proxy: site.proxy,
            web,
            secure,
            names: asked,
        };
        let mut school = School {
            site,
            states: Vec::new(),
            model: Model::default(),
            imports: Vec::new(),
            before: (Names::new(), Names::new()),
        };
        school.model.edited = names(&[
            ("education", &["school.test"]),
            ("gambling", &["bet.test", "casino.test"]),
            ("games", &["games.test"]),
            ("social", &["social.test"]),
        ]);
        school
            .model
            .edited
            .entry("gambling".to_owned())
            .or_default()
            .extend(local(0..4));
        school
            .model
            .edited
            .entry("education".to_owned())
            .or_default()
            .extend(local(4..8));
        school.write_all();
        school.publish(0);
        school.import();
        school.change("as it was", |_| {});
        (school, targets)
    }

    /// Makes a change, tells the model, and learns what the lists are now called.
    fn change(&mut self, what: &str, make: impl FnOnce(&mut School)) {
        let edited = (self.model.edited.clone(), self.model.exceptions.clone());
        let begun = (Instant::now(), SystemTime::now());
        make(self);
        let done = (Instant::now(), SystemTime::now());
        let stats = self.site.succeed(&["lists", "stats", "--json"]);
        let stats: Value = serde_json::from_str(&stats).expect("JSON");
        self.states.push(State {
            version: stats["version"].as_str().expect("a version").to_owned(),
            model: self.model.clone(),
            what: what.to_owned(),
            begun,
            done,
            in_force: None,
            awaited: false,
        });
        if edited != (self.model.edited.clone(), self.model.exceptions.clone()) {
            self.before = edited;
        }
    }

    /// Waits until the last state is in force, by the health page.
    pub(super) fn in_force(&mut self, weir: &Weir) {
        let version = self.states.last().expect("a state").version.clone();
        eventually(&format!("lists {version} are in force"), || {
            weir.health().text().contains(&version).then_some(())
        });
        let now = Instant::now();
        for state in &mut self.states {
            state.in_force.get_or_insert(now);
        }
        self.states.last_mut().expect("a state").awaited = true;
    }

    fn write_all(&mut self) {
        for (category, entries) in self.model.edited.clone() {
            let text: String = entries.iter().map(|name| format!("{name}\n")).collect();
            self.site.list(&category, "domains", &text);
        }
    }

    fn file(&self, category: &str) -> PathBuf {
        self.site.path("lists").join(category).join("domains")
    }

    /// What the publisher has from now on.
    fn publish(&self, turn: usize) {
        let root = self.site.path("published");
        let _ = fs::remove_dir_all(&root);
        for (category, entries) in far(turn) {
            fs::create_dir_all(root.join(&category)).unwrap();
            let text: String = entries.iter().map(|name| format!("{name}\n")).collect();
            fs::write(root.join(&category).join("domains"), text).unwrap();
        }
        let map =
            ["gambling", "social", "games", "news"].map(|name| format!("{name} = \"{name}\"\n"));
        fs::write(self.site.path("map.toml"), map.concat()).unwrap();
    }

    fn import(&mut self) {
        let from = self.site.path("published").to_string_lossy().into_owned();
        let map = self.site.path("map.toml").to_string_lossy().into_owned();
        self.lists(&["import", &from, "--name", IMPORTED, "--map", &map]);
        let turn = self.imports.len();
        self.model.imported = far(turn);
        self.imports.push(far(turn));
    }

    fn lists(&self, args: &[&str]) {
        self.site
            .succeed(&[&["lists"], args, &["--reason", "a test"]].concat());
    }

    /// `weir lists add`.
    pub(super) fn add(&mut self, category: &str, entries: &[&str]) {
        self.change(&format!("add {category} {entries:?}"), |school| {
            school.lists(&[&["add", category], entries].concat());
            entries
                .iter()
                .for_each(|name| school.model.add(category, name));
        });
    }

    /// `weir lists remove`.
    pub(super) fn remove(&mut self, category: &str, entries: &[&str]) {
        self.change(&format!("remove {category} {entries:?}"), |school| {
            school.lists(&[&["remove", category], entries].concat());
            entries
                .iter()
                .for_each(|name| school.model.remove(category, name));
        });
    }

    /// An editor that moves names between two categories: one file after the other, each written beside and renamed, as most
    /// editors do, or in place.
    pub(super) fn edit(&mut self, from: &str, to: &str, entries: &[&str], in_place: bool) {
        for (category, comes) in [(to, true), (from, false)] {
            let what = format!("edit {category} {entries:?}, in place: {in_place}");
            self.change(&what, |school| {
                let names = school.model.edited.entry(category.to_owned()).or_default();
                for name in entries {
                    match comes {
                        true => names.insert((*name).to_owned()),
                        false => names.remove(*name),
                    };
                }
                let text: String = names.iter().map(|name| format!("{name}\n")).collect();
                let file = school.file(category);
                if in_place {
                    fs::write(&file, text).unwrap();
                } else {
                    let beside = file.with_file_name(".domains.swp");
                    fs::write(&beside, text).unwrap();
                    fs::rename(&beside, &file).unwrap();
                }
            });
        }
    }

    /// A new version from the publisher.
    pub(super) fn update(&mut self) {
        self.publish(self.imports.len());
        self.change("import", School::import);
    }

    /// The import before the last one.
    pub(super) fn import_back(&mut self) {
        let versions = self.history(IMPORTED);
        let imported: Vec<&Value> = versions.iter().filter(|v| v["how"] == "import").collect();
        let at = imported.len() - 2;
        let number = imported[at]["version"].to_string();
        self.change(&format!("rollback of {IMPORTED} to {number}"), |school| {
            school.lists(&["rollback", IMPORTED, &number]);
            school.model.imported = school.imports[at].clone();
        });
    }

    /// The imported list goes, whole.
    pub(super) fn forget(&mut self) {
        self.change("forget", |school| {
            school.lists(&["forget", IMPORTED]);
            school.model.imported.clear();
        });
    }

    /// And comes back as it was.
    pub(super) fn remember(&mut self, was: &Names) {
        let versions = self.history(IMPORTED);
        assert_eq!(versions[versions.len() - 1]["how"], "forget");
        let number = versions[versions.len() - 2]["version"].to_string();
        self.change("rollback of what was forgotten", |school| {
            school.lists(&["rollback", IMPORTED, &number]);
            school.model.imported = was.clone();
        });
    }

    /// Takes the last `add` or `remove` back. What came before it is a version, also where it came by hand: a command makes
    /// sure of that.
    pub(super) fn undo(&mut self) {
        let before = self.before.clone();
        let versions = self.history(EDITED);
        assert_eq!(versions[versions.len() - 1]["how"], "command");
        let number = versions[versions.len() - 2]["version"].to_string();
        self.change(&format!("rollback of {EDITED} to {number}"), |school| {
            school.lists(&["rollback", EDITED, &number]);
            (school.model.edited, school.model.exceptions) = before;
        });
    }

    fn history(&self, list: &str) -> Vec<Value> {
        let text = self.site.succeed(&["lists", "history", list, "--json"]);
        let lines = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"));
        lines.collect()
    }

    /// What is imported now, by the model.
    pub(super) fn imported(&self) -> Names {
        self.model.imported.clone()
    }

    /// A name that the imported list blocks as gambling and that nobody has excepted.
    pub(super) fn far_gambling(&self) -> String {
        let excepted = self.model.exceptions.get("gambling");
        let mut names = self.model.imported["gambling"].iter();
        let name = names.find(|name| excepted.is_none_or(|known| !known.contains(*name)));
        name.expect("one that is not excepted").clone()
    }
}
