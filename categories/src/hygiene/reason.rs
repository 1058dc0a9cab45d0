//! Decides nothing: why an entry is held back, as code, in the files of what is held, and for people.

use std::fmt;

/// Why an entry is held back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Anyone can register below it: `com`, `co.uk`.
    PublicSuffix,
    /// A hosting company lets anyone have a site below it: `blogspot.com`.
    SharedHosting,
    /// A site that schools rely on, or a parent of this one.
    TopSite(String),
    /// A name in an allow set of the school's, or a parent of this one.
    AllowSet {
        /// The category.
        category: String,
        /// The name there.
        name: String,
    },
    /// An entry of a category that allows, which the school's own lists have in another: accepting it would open the site.
    Contradiction {
        /// The other category.
        category: String,
        /// The name there.
        name: String,
    },
    /// An expression that fits addresses of any kind, or a network of many holders.
    TooWide,
    /// It comes with more than a category may grow at once.
    Growth,
    /// It goes with more than a category may lose at once.
    Loss,
}

impl Reason {
    /// The word that counts and files use.
    pub fn word(&self) -> &'static str {
        match self {
            Reason::PublicSuffix => "public-suffix",
            Reason::SharedHosting => "shared-hosting",
            Reason::TopSite(_) => "top-site",
            Reason::AllowSet { .. } => "allow-set",
            Reason::Contradiction { .. } => "contradiction",
            Reason::TooWide => "too-wide",
            Reason::Growth => "growth",
            Reason::Loss => "loss",
        }
    }

    /// Reads what [`fmt::Display`] writes.
    pub(super) fn read(text: &str) -> Option<Reason> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        Some(match word {
            "public-suffix" => Reason::PublicSuffix,
            "shared-hosting" => Reason::SharedHosting,
            "top-site" => Reason::TopSite(rest.to_owned()),
            "allow-set" => {
                let (category, name) = rest.split_once(' ')?;
                Reason::AllowSet {
                    category: category.to_owned(),
                    name: name.to_owned(),
                }
            }
            "contradiction" => {
                let (category, name) = rest.split_once(' ')?;
                Reason::Contradiction {
                    category: category.to_owned(),
                    name: name.to_owned(),
                }
            }
            "too-wide" => Reason::TooWide,
            "growth" => Reason::Growth,
            "loss" => Reason::Loss,
            _ => return None,
        })
    }

    /// For people.
    pub fn words(&self) -> String {
        match self {
            Reason::PublicSuffix => "anyone can register names below it".to_owned(),
            Reason::SharedHosting => "a host of anyone's sites".to_owned(),
            Reason::TopSite(site) => format!("schools rely on {site}"),
            Reason::AllowSet { category, name } => format!("{name} is allowed as {category}"),
            Reason::Contradiction { category, name } => {
                format!("your lists have {name} as {category}")
            }
            Reason::TooWide => "it fits addresses of any kind".to_owned(),
            Reason::Growth => "the category would grow too much at once".to_owned(),
            Reason::Loss => "the category would lose too much at once".to_owned(),
        }
    }
}

/// As the files of what is held back have it: the word, and what it is about.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::TopSite(site) => write!(f, "{} {site}", self.word()),
            Reason::AllowSet { category, name } | Reason::Contradiction { category, name } => {
                write!(f, "{} {category} {name}", self.word())
            }
            _ => f.write_str(self.word()),
        }
    }
}
