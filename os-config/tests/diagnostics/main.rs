//! Every kind of diagnostic, with its place and its words.

#[cfg(test)]
mod containers;

use orlop_config::{Diagnostics, limits, parse};
use std::fmt::Write as _;

fn problems(text: &str) -> Diagnostics {
    parse("node.toml", text).expect_err("a TOML that must be refused")
}

/// Each text with what is said about it, one block a text, for a golden file.
fn said_about(texts: &[&str]) -> String {
    let mut out = String::new();
    for text in texts {
        out.push_str("----\n");
        for line in text.lines() {
            let _infallible = writeln!(out, "    {line}");
        }
        for found in problems(text).list() {
            let _infallible = writeln!(out, "{}:{}: {}", found.line, found.column, found.message);
            if let Some(help) = &found.help {
                let _infallible = writeln!(out, "     -> {help}");
            }
        }
    }
    out
}

#[test]
fn three_errors_are_shown_at_once_each_with_its_line_underlined() {
    let text = "\
schema = 1

[host]
nmae = \"edge-17\"

[container.web]
image = \"registry.example.com/web:1.4\"
memory = \"256M\"
networks = [\"frnot\"]

[net.front]
subnet = \"10.88.1.0/24\"
";
    let rendered = problems(text).render();
    insta::assert_snapshot!(rendered);
}

#[test]
fn what_is_not_toml_is_said_with_its_place() {
    let said = said_about(&[
        "schema = 1\n[host\nname = \"x\"",
        "schema = 1\nname = = 2\n[host]\nname = \"a",
        "schema = 1\nschema = 1",
        "schema = 1\n[container.web]\n[container.web]",
        "schema 1",
        "schema = 1\nhost = { name = \"x\" ",
    ]);
    insta::assert_snapshot!(said);
}

#[test]
fn a_missing_or_unknown_schema_is_said_before_anything_else() {
    let said = said_about(&[
        "",
        "[host]\nname = \"edge-17\"",
        "schema = 2\nanything = \"else\"",
        "schema = \"1\"",
        "[host]\nschema = 1",
    ]);
    insta::assert_snapshot!(said);
}

#[test]
fn an_unknown_key_is_said_with_the_nearest_known_one() {
    let said = said_about(&[
        "schema = 1\n[contaner.web]\nimage = \"web\"",
        "schema = 1\nhost = { nmae = \"x\", zzz = 1 }",
        "schema = 1\n[container.web]\nimage = \"web\"\nreadonly = true\nhealth = { http = \":80\", evry = \"1s\" }",
        "schema = 1\n[[gate.check]]\ncontanier = \"web\"",
        "schema = 1\n[volume.data]\npath = \"/x\"",
        "schema = 1\n[host]\nname = \"x\"\ngate = 1",
    ]);
    insta::assert_snapshot!(said);
}

#[test]
fn a_network_that_cannot_be_is_said_with_what_to_write() {
    let web = "[container.web]\nimage = \"web\"\n";
    let said = said_about(&[
        "schema = 1\n[net.a]\nsubnet = \"10.1.0.0/24\"\ngateway = \"10.2.0.1\"\n\
         [net.b]\nsubnet = \"10.3.0.0/24\"\ngateway = \"10.3.0.255\"\ngateway6 = \"fe80::1%eth0\"\n\
         [net.c]\nsubnet = \"10.4.0.0/24\"\ngateway6 = \"fd00::1\"",
        "schema = 1\n[net.a]\nsubnet = \"fd00:1::/64\"\nsubnet6 = \"fd00:2::/64\"\n\
         [net.b]\nsubnet = \"10.1.0.0/24\"\nsubnet6 = \"fd00:1::/64\"\n\
         [net.c]\nsubnet = \"10.2.0.0/24\"\nsubnet6 = \"10.3.0.0/24\"",
        "schema = 1\n[net.a]\nsubnet = \"10.1.0.0/24\"\nparent = \"eth0\"\n\
         [net.b]\nsubnet = \"10.2.0.0/24\"\ndriver = \"macvlan\"\n\
         [net.c]\nsubnet = \"10.3.0.0/24\"\ndriver = \"ipvlan\"\nparent = \"et/h0\"\ndns = true",
        &format!(
            "schema = 1\n{web}networks = {{ default = {{ address = \"10.89.0.1\", address6 = \"fd00::2\" }}, \
             frnt = {{ address = \"10.1.0.2\" }} }}"
        ),
        &format!(
            "schema = 1\n{web}networks = {{ default = {{ address = \"10.89.0.7\", aliases = [\"A\", \"a_b\"] }} }}\n\
             [container.db]\nimage = \"db\"\nnetworks = {{ default = {{ address = \"10.89.0.7\" }} }}"
        ),
        &format!(
            "schema = 1\n[net.a]\nsubnet = \"10.1.0.0/24\"\ninternal = true\ndns = false\n{web}\
             networks = {{ a = {{ aliases = [\"b\"] }} }}\nports = [\"80:80\"]"
        ),
        &format!(
            "schema = 1\n[net.lan]\nsubnet = \"10.1.0.0/24\"\ndriver = \"macvlan\"\nparent = \"eth0\"\n\
             [net.wan]\nsubnet = \"10.2.0.0/24\"\ndriver = \"macvlan\"\nparent = \"eth0\"\n\
             [net.ip]\nsubnet = \"10.3.0.0/24\"\ndriver = \"ipvlan\"\nparent = \"eth1\"\n{web}\
             networks = {{ default = {{ mac = \"02:42:AC:11:00:02\" }}, lan = {{ mac = \"02-42-ac-11-00-02\" }}, \
             ip = {{ mac = \"02:42:ac:11:00:02\" }} }}\n[container.db]\nimage = \"db\"\n\
             networks = {{ default = {{ mac = \"02:42:ac:11:00:02\" }}, wan = {{ mac = \"02:42:ac:11:00:02\" }} }}\n\
             [container.c]\nimage = \"c\"\nnetworks = {{ default = {{ mac = \"01:00:5e:00:00:01\" }}, \
             lan = {{ mac = \"00:00:00:00:00:00\" }}, wan = {{ mac = \"02:42\" }} }}"
        ),
        &format!("schema = 1\n{web}networks = [{{ net = \"a\" }}]"),
        &format!("schema = 1\n{web}networks = {{ default = \"10.89.0.7\" }}"),
        &format!(
            "schema = 1\n{web}ports = [\"80-82:80-81\", \"90-85:90-95\", \"100-9000:100-9000\", \"200-210:1-11\", \"205:205\"]"
        ),
    ]);
    insta::assert_snapshot!(said);
}

#[test]
fn a_firewall_that_cannot_be_or_locks_the_api_out_is_said() {
    let pem = include_str!("../../../docs/examples/every-key.toml");
    let (_, rest) = pem.split_once("clients = ").unwrap();
    let (pem, _) = rest.split_once("[firewall]").unwrap();
    let api = format!("[api]\nlisten = \"0.0.0.0:6443\"\nclients = {pem}");
    let said = said_about(&[
        "schema = 1\n[firewall]\nallow = [\"tcp/22\"]",
        "schema = 1\n[firewall]\ninbound = \"deny\"\n\
         allow = [\"tcp\", \"sctp/1\", \"tcp/0\", \"udp/9-8\", \"icmp to 10.0.0.0/8\", \"icmp from 10.0.0.1/8\", \"tcp/1 from me\"]",
    ]);
    insta::assert_snapshot!(said);
    for (allow, good) in [
        ("tcp/6443 from 10.0.0.0/8", true),
        ("tcp/6000-7000", true),
        ("udp/6443", false),
    ] {
        let text = format!(
            "schema = 1\nfirewall = {{ inbound = \"deny\", allow = [\"{allow}\"] }}\n{api}"
        );
        let read = orlop_config::parse("node.toml", &text);
        assert_eq!(read.is_ok(), good, "{allow}: {read:?}");
        if let Err(problems) = read {
            let problem = &problems.list()[0];
            assert_eq!(
                problem.message,
                "the firewall lets nobody reach the API on port 6443"
            );
        }
    }
}

#[test]
fn what_this_version_does_not_support_is_said_and_not_passed_over() {
    let said = said_about(&[
        "schema = 1\n[log]\nforward = {}\n[kernel]\nargs = [\"quiet\"]",
        "schema = 1\n[os]\nimage = \"os:1\"\nverify = [\"k\"]",
        "schema = 1\n[update]\nlock = \"https://lock.lab\"",
    ]);
    insta::assert_snapshot!(said);
}

#[test]
fn a_terminal_that_the_runtime_cannot_give_is_said() {
    let said = said_about(&[
        "schema = 1\n[container.job]\nimage = \"job\"\nkind = \"task\"\nruntime = \"runc\"\ntty = true",
        "schema = 1\n[container.job]\nimage = \"job\"\ntty = \"yes\"\nstdin = 1",
    ]);
    insta::assert_snapshot!(said);
    for good in ["kind = \"task\"", "runtime = \"runc\""] {
        let text = format!("schema = 1\n[container.job]\nimage = \"job\"\ntty = true\n{good}");
        let node = orlop_config::parse("node.toml", &text).unwrap();
        assert!(node.container.values().all(|one| one.process.tty));
    }
}

#[test]
fn a_value_of_another_type_is_said_with_an_example() {
    let said = said_about(&[
        "schema = 1\nhost = \"edge\"\nos = []\ncontainer = 3",
        "schema = 1\n[host]\nname = 17\nlabels = { site = 4, on = true, list = [] }",
        "schema = 1\n[update]\npolicy = true",
        "schema = 1\n[gate]\nhold = 30\ncheck = { tcp = \"a:1\" }",
        "schema = 1\n[container.web]\nimage = \"web\"\ncommand = \"/bin/web\"\nports = [8080]\nread_only = \"yes\"\ncpus = \"1\"\npids = 1.5",
        "schema = 1\n[container.web]\nimage = 1979-05-27\nenv = { PORT = 80, DEBUG = true, X = 1.5 }",
        "schema = 1\ncontainer.web = \"registry.example.com/web\"",
        "schema = 1\n[gate]\ncheck = [\"web\"]",
    ]);
    insta::assert_snapshot!(said);
}

#[test]
fn a_bad_name_is_said_where_it_stands() {
    let said = said_about(&[
        "schema = 1\n[host]\nname = \"edge_17\"\ntimezone = \"../../etc/passwd\"\nlabels = { \"a b\" = \"x\", c = \"\\n\" }",
        "schema = 1\n[container.Web]\nimage = \"web\"",
        "schema = 1\n[container.\"-x\"]\nimage = \"web\"",
        "schema = 1\n[[gate.check]]\nunit = \"sshd\"\n[[gate.check]]\nunit = \"a b.service\"",
        "schema = 1\n[volume.\"a/b\"]",
        "schema = 1\n[registry.\"https://docker.io\"]",
        "schema = 1\n[container.web]\nimage = \"Web Server\"\nenv = { \"A=B\" = \"x\", C = \"\\u0000\" }",
        "schema = 1\n[os]\nimage = \"oci:relative\"",
        "schema = 1\n[os]\nimage = \"https://registry.example.com/os\"",
        "schema = 1\n[update]\npolicy = \"automatic\"",
        "schema = 1\n[container.web]\nimage = \"web\"\nrestart = \"sometimes\"",
    ]);
    insta::assert_snapshot!(said);
}

#[test]
fn a_bad_duration_or_size_is_said_with_a_good_one() {
    let said = said_about(&[
        "schema = 1\n[gate]\nhold = \"30\"\ndeadline = \"5 min\"",
        "schema = 1\n[gate]\nhold = \"2d\"",
        "schema = 1\n[gate]\ndeadline = \"0s\"",
        "schema = 1\n[update]\nevery = \"0s\"\nwindow = [{ days = [\"monday\"], from = \"2:00\", to = \"25:00\" }]",
        "schema = 1\n[container.web]\nimage = \"web\"\nmemory = \"256\"\nhealth = { tcp = 80, every = \"0s\", start = \"2h\" }",
        "schema = 1\n[container.web]\nimage = \"web\"\nmemory = \"1.5 GiB\"",
        "schema = 1\n[container.web]\nimage = \"web\"\nmemory = \"64 kb\"",
        "schema = 1\n[container.web]\nimage = \"web\"\nmemory = \"1 MiB\"",
        "schema = 1\n[volume.data]\nsize = \"1 KiB\"",
        "schema = 1\n[container.web]\nimage = \"web\"\n[container.web.io]\n\"/dev/vda\" = { read = \"1 MiB\", write = \"1 KiB/s\", read_ops = 0 }\n\
         \"vda\" = { read = \"1 MiB/s\" }\n\"/dev/v%n\" = { write = \"1 MB/min\" }\n\"/dev/vdb\" = { }\n\"/dev/vdc\" = { raed = \"1 MiB/s\" }",
    ]);
    insta::assert_snapshot!(said);
}

#[test]
fn a_number_out_of_range_is_said_with_the_range() {
    let said = said_about(&[
        "schema = 1\n[container.web]\nimage = \"web\"\ncpus = 0\npids = 0\nhealth = { tcp = 0, retries = 0 }",
        "schema = 1\n[container.web]\nimage = \"web\"\ncpus = nan\npids = -1\nhealth = { tcp = 65536 }",
        "schema = 1\n[[gate.check]]\nhttp = \"http://a/\"\nstatus = 99",
        "schema = 1\n[container.web]\nimage = \"web\"\noom_score_adj = 1001\n[container.b]\nimage = \"b\"\noom_score_adj = \"5\"\n\
         [container.c]\nimage = \"c\"\noom_score_adj = -801\n\
         [container.d]\nimage = \"d\"\noom_score_adj = -1000\nprivileged = true",
    ]);
    insta::assert_snapshot!(said);
}

#[test]
fn a_bad_address_port_or_url_is_said_with_a_good_one() {
    let said = said_about(&[
        "schema = 1\n[container.web]\nimage = \"web\"\nports = [\"80\", \"0:80\", \"80:99999\", \"80:80/sctp\", \"x:80:80\", \"::1:80:80\"]",
        "schema = 1\n[container.web]\nimage = \"web\"\nhealth = { http = \"http://127.0.0.1/\" }",
        "schema = 1\n[container.web]\nimage = \"web\"\nhealth = { http = \":80/a b\" }",
        "schema = 1\n[api]\nlisten = \"6443\"\nclients = \"x\"",
        "schema = 1\n[api]\nlisten = \"0.0.0.0:0\"\nclients = \"-----BEGIN CERTIFICATE-----\\nAAAA\"",
        "schema = 1\n[api]\nlisten = \"[::]:1\"\nclients = \"-----BEGIN PRIVATE KEY-----\\nAAAA\"",
        "schema = 1\n[api]\nlisten = \"[::]:1\"\nclients = \"-----BEGIN CERTIFICATE-----\\n?\\n-----END CERTIFICATE-----\"",
        "schema = 1\n[[gate.check]]\nhttp = \"https://a/\"\n[[gate.check]]\nhttp = \"a\"\n[[gate.check]]\nhttp = \"http://a_b/\"\n[[gate.check]]\ntcp = \"a\"\n[[gate.check]]\ntcp = \"a:0\"\n[[gate.check]]\ntcp = \"1.2.3:80\"",
        "schema = 1\n[net.a]\nsubnet = \"10.88.1.0\"\n[net.b]\nsubnet = \"10.88.1.1/24\"\n[net.c]\nsubnet = \"10.88.1.0/30\"\n[net.d]\nsubnet = \"127.0.0.0/8\"\n[net.e]\nsubnet = \"fd00::/48\"",
        "schema = 1\n[volume.d]\n[container.web]\nimage = \"web\"\nvolumes = [\"d\", \"d:rel\", \"d:/a/../b\", \"d:/a:rw\", \"/host:/a\", \"d:/\"]",
    ]);
    insta::assert_snapshot!(said);
}

#[test]
fn a_bad_mirror_login_or_proxy_is_said_with_a_good_one() {
    let said = said_about(&[
        "schema = 1\n[registry.\"docker.io\"]\nmirrors = [\"mirror.example.com\", \"https://\", \"https://a/../b\", \"ftp://a\", \"https://a:0/\"]",
        "schema = 1\n[registry.\"docker.io\"]\nlogin = { user = \"a:b\", password = \"hush\" }",
        "schema = 1\n[registry.\"docker.io\"]\nlogin = { user = \"a\", password = { secret = \"hbu\" } }\n[secret.hub]",
        "schema = 1\n[registry.\"docker.io\"]\nlogin = { user = \"a\" }",
        "schema = 1\n[proxy]\nhttps = \"proxy:3128\"\nhttp = \"http://user:hush@proxy\"\nexcept = [\"*.example.com\", \"10.0.0.0/33\"]",
    ]);
    insta::assert_snapshot!(said);
}

#[test]
fn a_dangling_reference_is_said_with_the_nearest_declared_name() {
    let said = said_about(&[
        "schema = 1\n[net.front]\nsubnet = \"10.1.0.0/16\"\n[container.web]\nimage = \"web\"\nnetworks = [\"frnot\", \"zzz\"]",
        "schema = 1\n[volume.data]\n[container.web]\nimage = \"web\"\nvolumes = [\"dta:/a\", \"logs:/b\"]",
        "schema = 1\n[container.web]\nimage = \"web\"\n[[gate.check]]\ncontainer = \"wbe\"\n[[gate.check]]\ncontainer = \"database\"",
        "schema = 1\n[container.web]\nimage = \"web\"\n[[gate.check]]\nexec = [\"/check\"]\nin = \"wbe\"",
    ]);
    insta::assert_snapshot!(said);
}

#[test]
fn a_contradiction_is_said_at_the_later_of_its_two_places() {
    let said = said_about(&[
        "schema = 1\n[gate]\nhold = \"10m\"\ndeadline = \"10m\"",
        "schema = 1\n[gate]\nhold = \"6m\"",
        "schema = 1\n[gate]\ndeadline = \"5s\"",
        "schema = 1\n[[gate.check]]\n[[gate.check]]\ntcp = \"a:1\"\nhttp = \"http://a/\"\n[[gate.check]]\ntcp = \"a:1\"\nstatus = 200",
        "schema = 1\n[[gate.check]]\nexec = [\"/check\"]\n[[gate.check]]\ntcp = \"a:1\"\nin = \"web\"\n[[gate.check]]\napi = \"reached\"\n[[gate.check]]\napi = \"up\"\n[[gate.check]]\nexec = []\nin = \"web\"",
        "schema = 1\n[update]\nwindow = [{ from = \"02:00\", to = \"02:00\" }, { from = \"24:00\", to = \"01:00\" }, { from = \"02:00\" }]",
        "schema = 1\n[api]\nlisten = \"0.0.0.0:6443\"",
        "schema = 1\n[api]\nclients = \"-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----\"",
        "schema = 1\n[registry.\"r.lab\"]\nplain_http = true\nca = \"-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----\"",
        "schema = 1\n[container.a]\nimage = \"a\"\nports = [\"80:1\", \"80:2/udp\", \"127.0.0.1:81:1\"]\n[container.b]\nimage = \"b\"\nports = [\"80:1\", \"0.0.0.0:81:1\"]",
        "schema = 1\n[container.a]\nimage = \"a\"\nports = [\"6443:1\"]\n[api]\nlisten = \"[::]:6443\"\nclients = \"-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----\"",
        "schema = 1\n[net.a]\nsubnet = \"10.0.0.0/9\"\n[net.b]\nsubnet = \"10.88.0.0/16\"\n[net.c]\nsubnet = \"10.88.3.0/24\"",
        "schema = 1\n[volume.d]\n[volume.e]\n[container.a]\nimage = \"a\"\nvolumes = [\"d:/x\", \"e:/x\"]\nnetworks = [\"default\", \"default\"]",
        "schema = 1\n[container.a]\nimage = \"a\"\ncommand = []\nargs = []\nhealth = { exec = [\"\"] }",
        "schema = 1\n[container.a]\nhealth = { every = \"1s\" }\nmemory = \"x\"",
        "schema = 1\n[container.a]\nimage = \"a\"\nhealth = { tcp = 1, exec = [\"x\"] }",
    ]);
    insta::assert_snapshot!(said);
}

#[test]
fn the_same_host_port_on_two_addresses_or_protocols_is_no_contradiction() {
    let text = "schema = 1\n[container.a]\nimage = \"a\"\nports = [\"127.0.0.1:80:1\", \"80:1/udp\"]\n\
                [container.b]\nimage = \"b\"\nports = [\"127.0.0.2:80:1\", \"[::1]:80:1\"]";
    assert_eq!(
        parse("node.toml", text).map(|config| config.container.len()),
        Ok(2)
    );
}

#[test]
fn a_text_above_the_limit_is_refused_unread() {
    let text = "#".repeat(limits::MAX_TEXT_BYTES + 1);
    let found = problems(&text);
    assert_eq!(
        found.list()[0].message,
        "the file is 262145 bytes long; at most 262144 are read"
    );
    assert!(found.render().len() < 1000, "the text is not printed back");
    let text = format!("schema = 1\n{}", "#".repeat(limits::MAX_TEXT_BYTES - 11));
    assert!(parse("node.toml", &text).is_ok());
}

#[test]
fn containers_above_the_limit_are_refused() {
    let declare = |count| {
        (0..count).fold("schema = 1\n".to_owned(), |text, n| {
            text + &format!("[container.c{n}]\nimage = \"a\"\n")
        })
    };
    assert!(parse("node.toml", &declare(limits::MAX_CONTAINERS)).is_ok());
    let found = problems(&declare(limits::MAX_CONTAINERS + 1));
    assert_eq!(found.list().len(), 1);
    assert_eq!(
        found.list()[0].message,
        "there are 257 of `container`; at most 256 are allowed"
    );
}

#[test]
fn a_flood_of_problems_is_cut_and_counted() {
    let text = (0..150).fold("schema = 1\n".to_owned(), |text, n| {
        text + &format!("k{n} = 1\n")
    });
    let found = problems(&text);
    assert_eq!(
        (found.list().len(), found.more()),
        (limits::MAX_DIAGNOSTICS, 50)
    );
    assert!(
        found
            .render()
            .ends_with("cannot use node.toml: 150 problems (the first 100 are shown)\n")
    );
}

#[test]
fn the_largest_flood_of_any_kind_is_refused_with_its_count() {
    let fill = |head: &str, piece: &dyn Fn(usize) -> String, tail: &str| {
        let mut text = head.to_owned();
        let mut count = 0;
        while text.len() + 40 < limits::MAX_TEXT_BYTES {
            text.push_str(&piece(count));
            count += 1;
        }
        (text + tail, count)
    };
    let image = "schema = 1\n[container.a]\nimage = \"a\"\n";
    let floods = [
        fill("schema = 1\n", &|n| format!("nme{n}=1\n"), ""),
        fill(
            &format!("{image}networks = ["),
            &|n| format!("\"n{n}\","),
            "]",
        ),
        fill(
            &format!("{image}volumes = ["),
            &|n| format!("\"v:/{n}\","),
            "]",
        ),
        fill(
            &format!("{image}ports = [\"80:80\","),
            &|_| "\"80:80\",".to_owned(),
            "]",
        ),
        fill(
            "schema = 1\n",
            &|n| format!("[[gate.check]]\ncontainer=\"c{n}\"\n"),
            "",
        ),
        fill(
            "schema = 1\n",
            &|n| format!("[net.n{n}]\nsubnet = \"10.89.0.0/24\"\n"),
            "",
        ),
    ];
    for (text, count) in floods {
        let found = problems(&text);
        assert!(
            found.list().len() + found.more() >= count,
            "{}",
            &text[..60]
        );
        assert!(found.render().len() < 64 * 1024, "{}", &text[..60]);
    }
}

#[test]
fn the_network_default_may_be_given_other_addresses() {
    let text = "schema = 1\n[net.default]\nsubnet = \"10.9.0.0/24\"\n\
                [net.b]\nsubnet = \"10.89.0.0/24\"";
    assert_eq!(
        parse("node.toml", text).map(|config| config.net.len()),
        Ok(2)
    );
}

#[test]
fn columns_count_characters_and_spans_count_bytes() {
    let found = problems("schema = 1\nhost = { labels = { a = \"äöü\" }, nmae = 1 }");
    let diagnostic = &found.list()[0];
    assert_eq!((diagnostic.line, diagnostic.column), (2, 34));
    assert_eq!(diagnostic.span, 47..51);
    assert!(
        found.render().contains("--> node.toml:2:34\n"),
        "{}",
        found.render()
    );
}

#[test]
fn a_certificate_is_not_printed_whole() {
    let body = "AAAA?\n".repeat(30);
    let text = format!(
        "schema = 1\n[registry.\"r.lab\"]\nca = \"\"\"\n-----BEGIN CERTIFICATE-----\n{body}\
         -----END CERTIFICATE-----\n\"\"\"\n"
    );
    let rendered = problems(&text).render();
    insta::assert_snapshot!(rendered);
}

#[test]
fn a_very_long_line_or_value_is_not_printed_back() {
    let text = format!(
        "schema = 1\n[host]\nname = \"ok\"\n{} = 1\n",
        "k".repeat(3000)
    );
    let rendered = problems(&text).render().replace(&"k".repeat(150), "<k>");
    insta::assert_snapshot!(rendered);
}

#[test]
fn colour_is_there_only_when_asked_for() {
    let found = problems("schema = 3");
    assert!(!found.render().contains('\u{1b}'));
    assert!(
        found
            .render_with(orlop_config::Colour::Always)
            .contains('\u{1b}')
    );
}

#[test]
fn a_bad_kernel_setting_interface_or_server_is_said_with_a_good_one() {
    let said = said_about(&[
        "schema = 1\n[kernel]\nmodules = [\"../x\", \"ok\"]\n[kernel.sysctl]\n\"net.ipv4.ip_forward\" = 1\n\"ipv4.ip_forward\" = \"1\"\n\"net..x\" = \"1\"\n\"kernel.panic\" = \"0\"\n\"vm.swappiness\" = \" 10\"",
        "schema = 1\n[kernel.sysctl]\n\"net.ipv4.ip_forward\" = \"1\"\n\"net/ipv4/ip_forward\" = \"0\"",
        "schema = 1\n[network]\ndns = [\"ns.lab\", \"0.0.0.0\"]\n[network.interface.lo]\n[network.interface.a-very-long-name-of-one]",
        "schema = 1\n[network.interface.eth0]\naddresses = [\"10.0.0.17\", \"10.0.0.0/24\", \"127.0.0.1/8\"]\n[network.interface.eth1]\naddresses = [\"10.0.1.7/24\"]\ngateway = \"10.0.0.1\"",
        "schema = 1\n[network.interface.a]\nmatch = { mac = \"52:54\" }\n[network.interface.b]\nmatch = {}\n[network.interface.c]\nmatch = { mac = \"52:54:00:00:00:01\" }\n[network.interface.d]\nmatch = { mac = \"52-54-00-00-00-01\" }",
        "schema = 1\n[time]\nservers = [\"ntp.lab:123\", \"a b\"]",
    ]);
    insta::assert_snapshot!(said);
}
