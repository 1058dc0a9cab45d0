//! What is no newer version: each time the old one stays in force and the alarm says why.

use std::sync::Arc;
use std::time::Duration;

use super::{Answer, Maker, blocks, lists_health, site, status, told};
use weir_tests::eventually;
use weir_tests::origin::Exchange;
use weir_tests::process::Weir;
use weir_tests::site::Site;

/// A running Weir that has `one.test` from its source, which now answers otherwise.
struct Case {
    maker: Maker,
    site: Site,
    weir: Weir,
}

impl Case {
    fn new(lines: &str) -> Case {
        let maker = Maker::new("one.test\nthree.test\n");
        let site = site(&maker, lines);
        let weir = site.start();
        blocks(&weir, &maker, "one.test");
        Case { maker, site, weir }
    }

    fn answers(
        &self,
        answer: impl Fn(&mut Exchange<'_>) -> std::io::Result<()> + Send + Sync + 'static,
    ) {
        let answer: Arc<Answer> = Arc::new(answer);
        self.maker.answers(answer);
    }

    /// An update by command fails with these words; the running Weir keeps the old list and says so.
    fn is_refused(&self, words: &str) {
        let output = self.site.weir(&["lists", "update"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{words}: {said}");
        assert!(said.contains(words), "{words}: {said}");
        assert_eq!(status(&self.weir, &self.maker, "one.test"), 403, "{words}");
        assert_eq!(status(&self.weir, &self.maker, "two.test"), 200, "{words}");
        let detail = eventually(&format!("health says {words}"), || {
            let (state, detail) = lists_health(&self.weir);
            (state == "warning" && detail.contains(words)).then_some(detail)
        });
        assert!(
            detail.contains("list far is not up to date (last good"),
            "{detail}"
        );
        assert_eq!(self.weir.metric("weir_list_alarm{source=\"far\"}"), 1.0);
        assert_eq!(told(&self.site)["state"], "failed");
    }

    /// A good answer ends the alarm.
    fn recovers(&self) {
        self.maker.gives("one.test\ntwo.test\n", "\"good\"");
        self.site.succeed(&["lists", "update"]);
        blocks(&self.weir, &self.maker, "two.test");
        eventually("the alarm is over", || {
            (lists_health(&self.weir).0 == "ok").then_some(())
        });
    }
}

#[test]
fn what_is_cut_off_empty_a_page_or_an_error_is_refused_with_an_alarm() {
    let case = Case::new("");
    case.answers(|exchange| {
        exchange.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ntwo.test\n")?;
        exchange.close();
        Ok(())
    });
    case.is_refused("cut off");
    case.answers(|exchange| {
        exchange
            .write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ntwo.test\n\r\n")?;
        exchange.close();
        Ok(())
    });
    case.is_refused("cut off");
    case.answers(|exchange| {
        exchange.write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\ntwo.test\n")?;
        exchange.close();
        Ok(())
    });
    case.is_refused("does not say how long");
    // A coding that ends with the connection: cut off or not, it looks the same.
    for head in [
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked, gzip",
    ] {
        case.answers(move |exchange| {
            exchange.write(format!(
                "HTTP/1.1 200 OK\r\n{head}\r\nConnection: close\r\n\r\ntwo.test\n"
            ))?;
            exchange.close();
            Ok(())
        });
        case.is_refused("more than one way");
    }
    case.answers(|exchange| exchange.respond("200 OK", "", ""));
    case.is_refused("it is empty");
    case.answers(|exchange| {
        exchange.respond(
            "200 OK",
            "Content-Type: text/html\r\n",
            "<!doctype html>two.test\n",
        )
    });
    case.is_refused("HTML page");
    for (answer, words) in [("404 Not Found", "status 404"), ("503 Busy", "status 503")] {
        case.answers(move |exchange| exchange.respond(answer, "", "two.test\n"));
        case.is_refused(words);
    }
    let rows = case.site.records(&["--kind", "reload"]);
    let row = rows
        .iter()
        .find(|row| row.text("end") == "refused")
        .unwrap();
    assert!(
        row.text("note")
            .contains("the last good one stays in force")
    );
    assert!(
        case.weir
            .metric("weir_list_updates_total{source=\"far\",outcome=\"failed\"}")
            >= 1.0
    );
    case.recovers();
}

#[test]
fn what_shrank_or_grew_too_large_is_refused_until_a_person_wants_it() {
    let case = Case::new("size_max = \"1KiB\"\nshrink_max = 0.2");
    case.maker.gives("two.test\n", "\"2\"");
    case.is_refused("1 entries, 2 before");
    let long = "two.test\n".repeat(200);
    case.maker.gives(&long, "\"3\"");
    case.is_refused("size_max");
    case.answers(move |exchange| {
        exchange.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        let chunk = format!("{:x}\r\n{long}\r\n0\r\n\r\n", long.len());
        exchange.write(chunk)
    });
    case.is_refused("size_max");
    case.maker.gives("two.test\n", "\"4\"");
    let said = case.site.succeed(&["lists", "update", "--force"]);
    assert!(said.contains("1 entry (2 before)"), "{said}");
    blocks(&case.weir, &case.maker, "two.test");
    eventually("one.test is open", || {
        (status(&case.weir, &case.maker, "one.test") == 200).then_some(())
    });
}

#[test]
fn what_trickles_or_stalls_is_refused_in_time() {
    let case = Case::new("");
    let begun = |exchange: &mut Exchange<'_>| {
        exchange.write("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    };
    case.answers(move |exchange| {
        begun(exchange)?;
        for _ in 0..200 {
            exchange.write("x")?;
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    });
    case.is_refused("more slowly than");
    case.answers(move |exchange| {
        begun(exchange)?;
        std::thread::sleep(Duration::from_secs(4));
        Ok(())
    });
    case.is_refused("stopped coming");
    case.answers(|_| {
        std::thread::sleep(Duration::from_secs(5));
        Ok(())
    });
    case.is_refused("no answer came in time");
}

#[test]
fn a_redirect_is_followed_as_far_as_egress_lets_it_and_never_for_ever() {
    let case = Case::new("");
    let to = |place: String| {
        move |exchange: &mut Exchange<'_>| {
            exchange.respond("302 Found", &format!("Location: {place}\r\n"), "")
        }
    };
    case.answers(to("http://10.11.12.13/list".to_owned()));
    case.is_refused("must not be connected to");
    case.answers(to(format!("http://{}/metrics", case.site.console)));
    case.is_refused("must not be connected to");
    case.answers(to("/again".to_owned()));
    case.is_refused("redirects and no end");
    case.answers(to("ftp://lists.test/x".to_owned()));
    case.is_refused("no address that can be asked");
    case.answers(|exchange| {
        if exchange.path() == "/moved" {
            return exchange.respond("200 OK", "", "one.test\ntwo.test\n");
        }
        exchange.respond("301 Moved Permanently", "Location: moved\r\n", "")
    });
    case.site.succeed(&["lists", "update"]);
    blocks(&case.weir, &case.maker, "two.test");
}

#[test]
fn what_has_the_wrong_digest_or_no_right_signature_is_refused() {
    let sum = "edeaaff3f1774ad2888673770c6d64097e391bc362d7d6fb34982ddf0efd18cb";
    let mut case = Case::new("");
    let old = "category = \"gambling\"\n";
    let mut key = |line: &str| {
        case.site.no_tables();
        case.site
            .table("[[network]]\nname = \"lab\"\naddresses = [\"127.0.0.0/8\", \"::1/128\"]\n");
        let from = case.maker.origin.url("lists.test", "/gambling.txt");
        case.site.table(&format!(
            "[[lists.source]]\nname = \"far\"\nfrom = \"{from}\"\n{old}{line}\n"
        ));
        case.site.write();
        case.maker.gives("two.test\nthree.test\n", "\"2\"");
        case.is_refused_as(line);
    };
    key(&format!("sha256 = \"{sum}\""));
    key("public_key = \"RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\"");
    let from = case.maker.origin.url("lists.test", "/gambling.txt.sha256");
    case.site.no_tables();
    let from_line = format!("sha256_from = \"{from}\"");
    let list = case.maker.origin.url("lists.test", "/gambling.txt");
    case.site.table(&format!(
        "[[lists.source]]\nname = \"far\"\nfrom = \"{list}\"\n{old}{from_line}\n"
    ));
    case.answers(move |exchange| {
        if exchange.path().ends_with(".sha256") {
            return exchange.respond("200 OK", "", format!("{sum}  gambling.txt\n"));
        }
        exchange.respond("200 OK", "", "two.test\n")
    });
    case.is_refused(sum);
}

impl Case {
    fn is_refused_as(&self, line: &str) {
        let words = if line.starts_with("sha256") {
            "its SHA-256 is"
        } else {
            "signature is not right"
        };
        self.is_refused(words);
    }
}

#[test]
fn a_server_that_is_down_leaves_the_old_list_in_force_also_over_a_restart() {
    let Case {
        maker,
        mut site,
        weir,
    } = Case::new("");
    drop(weir);
    site.no_tables();
    site.table("[[network]]\nname = \"lab\"\naddresses = [\"127.0.0.0/8\", \"::1/128\"]\n");
    // Nobody listens there.
    site.host("down.test", &["127.0.0.1"]);
    site.table(
        "[[lists.source]]\nname = \"far\"\nfrom = \"http://down.test:1024/x\"\ncategory = \"gambling\"\n",
    );
    let weir = site.start();
    assert_eq!(status(&weir, &maker, "one.test"), 403);
    let case = Case { maker, site, weir };
    case.is_refused("connection was refused");
    assert!(case.weir.log().contains("list far not updated"));
}
