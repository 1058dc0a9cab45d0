//! AF-11: letters written as something else.

use super::{assert_all, is_in, list, of_address};

#[test]
fn common_substitutions_are_read_as_the_letters_they_stand_for_af_11() {
    assert_all(&[
        ("weapon", "w3ap0n", true),
        ("weapon", "we4pon", true),
        ("weapon", "we@pon", true),
        ("weapon", "WE4P0N", true),
        ("kill", "k1ll", true),
        ("kill", "ki11", true),
        ("kill", "k!ll", true),
        ("kill", "ki||", true),
        ("kill", "k111", true),
        ("kiil", "ki|i", false),
        ("suicide", "5uicide", true),
        ("suicide", "$uicide", true),
        ("assault", "a$$ault", true),
        ("bitcoin", "8i7co1n", true),
        ("terror", "7error", true),
        ("terror", "t3rr0r", true),
        // What stands for one letter stands for no other.
        ("kill", "kiil", false),
        ("kiil", "kill", false),
        ("kill", "k3ll", false),
        ("weapon", "we4p1n", false),
        ("weapon", "we9pon", false),
    ]);
}

#[test]
fn numbers_stay_numbers_af_11() {
    assert_all(&[
        ("lol", "101", false),
        ("boob", "8008", false),
        ("isis", "1515", false),
        ("sos", "505", false),
        ("boob", "8oo8", true),
        ("420", "420", true),
        ("420", "$420!", true),
        ("420", "1420", false),
        ("420", "a420", false),
        ("420*", "420blaze", true),
        ("420*", "42o blaze", false),
        ("4chan", "4CHAN", true),
        ("4chan", "achan", false),
        ("mp3", "mp3", true),
        ("mp3", "mpe", false),
        ("m16 rifle", "m16-rifle", true),
        ("m16", "m 16", false),
    ]);
}

#[test]
fn a_sign_is_a_letter_inside_a_word_or_its_end_whichever_fits_af_11() {
    assert_all(&[
        ("kill", "kill!", true),
        ("kill", "!kill", true),
        ("kill them", "kill! them", true),
        ("kill them", "kill!!! them", true),
        ("kill", "@kill", true),
        ("kill", "kill@home", true),
        ("alive", "@live", true),
        ("100", "$100", true),
        ("asses", "@$$e$", true),
        ("ass", "@$$", false),
    ]);
}

#[test]
fn letters_of_other_scripts_that_look_alike_are_read_in_words_that_mix_them_af_11() {
    assert_all(&[
        ("weapon", "wеароn", true),
        ("weapon", "wεαpοn", true),
        ("cocaine", "сосaine", true),
        ("suicide", "ѕuісіde", true),
        ("PORN", "Роrn", true),
        // The other way about: a Russian or Greek word with Latin letters in it.
        ("оружие", "opyжие", true),
        ("нож", "нoж", true),
        ("όπλο", "oπλo", true),
        // Words of one script are what they are.
        ("coca", "соса", false),
        ("сосна", "cocha", false),
        ("соса", "соса", true),
    ]);
}

#[test]
fn characters_that_nobody_sees_and_fancy_letters_make_no_difference_af_11() {
    assert_all(&[
        ("weapon", "wea\u{200b}pon", true),
        ("weapon", "wea\u{ad}pon", true),
        ("weapon", "w\u{2060}e\u{200d}apon\u{feff}", true),
        ("weapon", "\u{202e}weapon", true),
        ("weapon", "ｗｅａｐｏｎ", true),
        ("weapon", "𝐰𝐞𝐚𝐩𝐨𝐧", true),
        ("weapon", "𝔀𝓮𝓪𝓹𝓸𝓷", true),
        ("weapon", "ⓦⓔⓐⓟⓞⓝ", true),
        ("weapon", "🅦🅔🅐🅟🅞🅝", true),
        ("weapon", "🆆🅴🅰🅿🅾🅽", true),
        ("weapon", "ᴡᴇᴀᴘᴏɴ", true),
        ("weapon", "w̷e̴a̸p̶o̵n̷", true),
        ("weapon", "we\u{1F52B}apon", false),
        ("office", "oﬃce", true),
    ]);
}

#[test]
fn letters_drawn_out_are_read_as_one_and_as_two_af_11() {
    assert_all(&[
        ("kill", "killlll", true),
        ("kill", "kiiiill", true),
        ("sexy", "seeeexyyy", true),
        ("xxx", "xxx", true),
        ("xxx", "xxxx", false),
        ("book", "boooook", true),
        ("bok", "book", false),
        ("нож", "нооооож", true),
        ("100", "1000", false),
        ("w33d", "w3333d", true),
    ]);
}

#[test]
fn an_address_may_be_encoded_twice_but_not_without_end() {
    let keywords = list(&["weapon"]);
    let of = |path: &str| of_address(&keywords, "x.example", path, None).len();
    assert_eq!(of("/%77eapon"), 1);
    assert_eq!(of("/%2577eapon"), 1);
    assert_eq!(of("/%252577eapon"), 0);
    assert_eq!(of("/wea%70on%"), 1);
    assert_eq!(of("/%zzweapon"), 0);
    assert_eq!(of("/%ff%feweapon%c3"), 1);
    assert!(is_in("weapon", "100% weapon"));
}
