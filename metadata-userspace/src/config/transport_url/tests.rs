#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

fn broker(host: &str, port: u16, user: &str, password: &str) -> Broker {
    Broker {
        host: host.to_owned(),
        port,
        user: user.to_owned(),
        password: Secret(password.to_owned()),
    }
}

fn parsed(url: &str) -> TransportUrl {
    TransportUrl::parse(url).unwrap()
}

#[test]
fn every_part_has_the_default_of_kombu() {
    let local = vec![broker("localhost", 5672, "guest", "guest")];
    for url in [
        "rabbit://",
        "rabbit:///",
        "kombu://",
        "rabbit://:@:5672/",
        "rabbit://,",
    ] {
        let url = parsed(url);
        assert_eq!(
            (url.brokers, url.virtual_host.as_str()),
            (local.clone(), "/")
        );
    }
    assert_eq!(
        parsed("rabbit://u@h").brokers,
        [broker("h", 5672, "u", "guest")]
    );
}

#[test]
fn several_hosts_each_have_their_account() {
    let url = parsed("rabbit://u:p@a:1,u2:p2@[fd00::1]:2,u3:p3@fd00::2,@b.example:3/v");
    let expected = [
        broker("a", 1, "u", "p"),
        broker("fd00::1", 2, "u2", "p2"),
        broker("fd00::2", 5672, "u3", "p3"),
        broker("b.example", 3, "guest", "guest"),
    ];
    assert_eq!(url.brokers, expected);
}

#[test]
fn escapes_are_undone_in_user_password_and_virtual_host() {
    let url = parsed("rabbit://me%40site:%2F%3F%23%2C%3A%40%25%C3%A9@h/a%2Fb");
    assert_eq!(url.brokers, [broker("h", 5672, "me@site", "/?#,:@%é")]);
    assert_eq!(url.virtual_host, "a/b");
    // One `@` of a user may stand as it is; a plus is a plus.
    let url = parsed("rabbit://me@site:a+b:c@h");
    assert_eq!(url.brokers, [broker("h", 5672, "me@site", "a+b:c")]);
    let url = parsed("rabbit://100%:%zz%4@h");
    assert_eq!(url.brokers, [broker("h", 5672, "100%", "%zz%4")]);
}

#[test]
fn the_virtual_host_is_what_follows_the_first_slash() {
    for (url, virtual_host) in [
        ("rabbit://h", "/"),
        ("rabbit://h/", "/"),
        ("rabbit://h//", "/"),
        ("rabbit://h/%2F", "/"),
        ("rabbit://h//nova", "/nova"),
        ("rabbit://h/nova?ssl=1", "nova"),
    ] {
        assert_eq!(parsed(url).virtual_host, virtual_host, "{url}");
    }
}

#[test]
fn the_query_has_options() {
    let url = parsed("rabbit://h/?ssl=1&ssl_ca_file=%2Fetc%2Fca.pem&heartbeat_rate=");
    let expected = [("ssl", "1"), ("ssl_ca_file", "/etc/ca.pem")];
    assert_eq!(
        url.query,
        expected.map(|(n, v)| (n.to_owned(), v.to_owned()))
    );
}

#[test]
fn faults_are_named_and_passwords_are_not() {
    for (url, error) in [
        ("", UrlError::NoScheme),
        ("localhost:5672", UrlError::NoScheme),
        ("kafka://u:sesame@h", UrlError::Transport("kafka".into())),
        (
            "kombu+memory://",
            UrlError::Transport("kombu+memory".into()),
        ),
        ("u:sesame@h://", UrlError::Transport("that".into())),
        ("rabbit://u:ses/ame@h", UrlError::Port(1)),
        ("rabbit://h,u:ses?ame@h", UrlError::Port(2)),
        ("rabbit://u:p@h:0", UrlError::Port(1)),
        ("rabbit://u:p@h:65536", UrlError::Port(1)),
        ("rabbit://u:p@[::1", UrlError::Bracket(1)),
        ("rabbit://u:p@[::1]5672", UrlError::Bracket(1)),
        ("rabbit://u:%ff@h", UrlError::Escape),
    ] {
        let said = TransportUrl::parse(url).unwrap_err();
        assert_eq!(said, error, "{url}");
        assert!(!said.to_string().contains("ses"), "{said}");
    }
    assert!(!format!("{:?}", parsed("rabbit://u:sesame@h")).contains("sesame"));
}
