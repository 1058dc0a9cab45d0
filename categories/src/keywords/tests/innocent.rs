//! AF-12: words with another one inside.

use super::{list, of_address};

const KEYWORDS: [&str; 34] = [
    "sex", "cunt", "penis", "ass", "arse", "cock", "anal", "anus", "rape", "rapist", "tit", "tits",
    "cum", "spic", "hell", "dick", "shit", "nazi", "slut", "wank", "paki", "porn", "kill", "gun",
    "drug", "cialis", "twat", "knob", "homo", "hoe", "fag", "balls", "die", "hack",
];

const INNOCENT: [&str; 78] = [
    "Scunthorpe",
    "Essex",
    "Sussex",
    "Middlesex",
    "Wessex",
    "Penistone",
    "Lightwater",
    "Clitheroe",
    "Saltash",
    "Cockermouth",
    "Shitterton",
    "Cockfosters",
    "Arsenal",
    "Twatt",
    "assassin",
    "assess",
    "assignment",
    "class",
    "classical",
    "passage",
    "embassy",
    "grass",
    "bass",
    "cockerel",
    "peacock",
    "Hancock",
    "cocktail",
    "shuttlecock",
    "cockpit",
    "analysis",
    "canal",
    "banal",
    "analogue",
    "Uranus",
    "therapist",
    "grape",
    "rapeseed",
    "drape",
    "title",
    "Titanic",
    "titration",
    "constitution",
    "institute",
    "document",
    "circumstances",
    "cucumber",
    "accumulate",
    "suspicious",
    "auspicious",
    "conspicuous",
    "shell",
    "Michelle",
    "hello",
    "Othello",
    "parse",
    "sparse",
    "Dickens",
    "Dickinson",
    "benedict",
    "shiitake",
    "Ashkenazi",
    "specialist",
    "socialist",
    "skill",
    "skillet",
    "begun",
    "gunnery",
    "drugstore",
    "pakistan",
    "swank",
    "homogeneous",
    "homophone",
    "shoe",
    "fagot",
    "audience",
    "diet",
    "hackney",
    "footballs",
];

#[test]
fn whole_words_match_in_no_innocent_word_af_12() {
    let keywords = list(&KEYWORDS);
    let mut hits = Vec::new();
    for word in INNOCENT {
        let lower = word.to_lowercase();
        let paths = [
            format!("/wiki/{word}"),
            format!("/{lower}-museum/about.html"),
            format!("/a_{word}_b"),
        ];
        for path in &paths {
            hits.extend(of_address(&keywords, "site.example", path, None));
        }
        for query in [
            format!("q=history+of+{word}"),
            format!("q=%22{lower}%22+2019&hl=en"),
            format!("id=x.{word}.y"),
        ] {
            hits.extend(of_address(
                &keywords,
                "www.google.com",
                "/search",
                Some(&query),
            ));
        }
    }
    assert_eq!(hits, [""; 0]);
}

#[test]
fn numbers_dates_and_names_of_files_match_nothing_af_12() {
    let keywords = list(&KEYWORDS);
    for path in [
        "/2019/05/17/",
        "/455/",
        "/a/7175/",
        "/1234567890/",
        "/img/5001x800.png",
        "/v1.0.455/app.js",
        "/0x1f/",
        "/wp-content/uploads/2024/01/IMG_4552.jpg",
        "/~user/cgi-bin/x.cgi",
        "/123e4567-e89b-12d3-a456-426614174000",
        "/static/css/main.8a1f3c.css",
        "/t/5318008",
    ] {
        assert_eq!(
            of_address(&keywords, "site.example", path, Some("t=1455&s=800x600")),
            [""; 0],
            "{path}"
        );
    }
}

#[test]
fn what_is_meant_is_found_beside_what_is_not_af_11() {
    let keywords = list(&KEYWORDS);
    for (word, keyword) in [
        ("Essex+sex", "sex"),
        ("cl4ss+a$s", "ass"),
        ("s3x-essex", "sex"),
        ("THE.RAPIST", "rapist"),
    ] {
        let found = of_address(
            &keywords,
            "www.google.com",
            "/search",
            Some(&format!("q={word}")),
        );
        assert_eq!(found, [keyword], "{word}");
    }
}
