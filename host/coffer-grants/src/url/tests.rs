use super::*;

mod properties;

#[test]
fn urls_are_brought_into_one_form() {
    let check = |text: &str, expected: Result<&str, UrlError>| {
        let url = RequestUrl::parse(text).map(|url| url.to_string());
        assert_eq!(url.as_deref().map_err(|error| *error), expected, "{text}");
    };
    check("https://a.example", Ok("https://a.example/"));
    check("HTTPS://A.Example:443/x", Ok("https://a.example/x"));
    check("http://a.example:80", Ok("http://a.example/"));
    check("http://a.example:443/", Ok("http://a.example:443/"));
    check("https://a.example/%61%7e%2d?q=%c3%a4", Ok("https://a.example/a~-?q=%C3%A4"));
    check("https://a.example/a%20b", Ok("https://a.example/a%20b"));
    check("https://a.example/**?*", Ok("https://a.example/%2A%2A?*"));
    check("https://a.example/a/", Ok("https://a.example/a/"));
    check("https://a.example?x", Ok("https://a.example/?x"));
    check("https://127.0.0.1:8200/", Ok("https://127.0.0.1:8200/"));
    check("https://[2001:DB8::1]/", Ok("https://[2001:db8::1]/"));
    check("https://[::1]:8200/", Ok("https://[::1]:8200/"));
    check("https://my_service/", Ok("https://my_service/"));

    check("ftp://a.example/", Err(UrlError::Scheme));
    check("//a.example/", Err(UrlError::Scheme));
    check("/path", Err(UrlError::Scheme));
    check("", Err(UrlError::Scheme));
    check("https://", Err(UrlError::Host));
    check("https:///x", Err(UrlError::Host));
    check("https://user@a.example/", Err(UrlError::Userinfo));
    check("https://a.example@b.example/", Err(UrlError::Userinfo));
    check("https://a.example#b", Err(UrlError::Fragment));
    check("https://a.example\\@b.example/", Err(UrlError::Character));
    check("https://a.example/ x", Err(UrlError::Character));
    check("https://a.example/\r\nHost: b", Err(UrlError::Character));
    check("https://\u{e4}.example/", Err(UrlError::Character));
    for character in "\"<>\\^`{|}\t\n\0\u{7f}".chars() {
        check(&format!("https://a.example/a{character}b"), Err(UrlError::Character));
        check(&format!("https://a.example/?a{character}b"), Err(UrlError::Character));
        check(&format!("https://a{character}b.example/"), Err(UrlError::Character));
    }
    // Names of other alphabets go by their ASCII form, which nobody decodes again.
    check("https://xn--bcher-kva.example/", Ok("https://xn--bcher-kva.example/"));
    check("https://b\u{fc}cher.example/", Err(UrlError::Character));
    check("https://\u{ff41}.example/", Err(UrlError::Character));
    check("https://a\u{3002}example/", Err(UrlError::Character));
    check("https://\u{ff11}27.0.0.1/", Err(UrlError::Character));
    check("https://\u{2460}.example/", Err(UrlError::Character));
    check("https://a\u{ad}b.example/", Err(UrlError::Character));
    check("https://%61.example/", Err(UrlError::Host));
    check("https://a.example./", Err(UrlError::Host));
    check("https://a..example/", Err(UrlError::Host));
    check("https://-a.example/", Err(UrlError::Host));
    check("https://a%2eexample/", Err(UrlError::Host));
    check("https://2130706433/", Err(UrlError::Host));
    check("https://0x7f.0.0.1/", Err(UrlError::Host));
    check("https://0x7f000001/", Err(UrlError::Host));
    check("https://127.1/", Err(UrlError::Host));
    check("https://0177.0.0.1/", Err(UrlError::Host));
    check("https://127.0.0.1./", Err(UrlError::Host));
    check("https://127.0.0.01/", Err(UrlError::Host));
    check("https://127.0.0.0x1/", Err(UrlError::Host));
    check("https://127.0.0.1.2/", Err(UrlError::Host));
    check("https://0x7f.1/", Err(UrlError::Host));
    check("https://017700000001/", Err(UrlError::Host));
    check("https://127.0x1/", Err(UrlError::Host));
    check("https://256.0.0.1/", Err(UrlError::Host));
    check("https://a.example.1/", Err(UrlError::Host));
    check("https://1.a.example/", Ok("https://1.a.example/"));
    check("https://[::ffff:127.0.0.1]/", Err(UrlError::Host));
    check("https://[::ffff:7f00:1]/", Err(UrlError::Host));
    check("https://[0:0:0:0:0:ffff:7f00:1]/", Err(UrlError::Host));
    check("https://[::FFFF:169.254.169.254]/", Err(UrlError::Host));
    check("https://[::127.0.0.1]/", Ok("https://[::7f00:1]/"));
    check("https://[64:ff9b::169.254.169.254]/", Ok("https://[64:ff9b::a9fe:a9fe]/"));
    check("https://[fe80::1%25eth0]/", Err(UrlError::Host));
    check("https://[fe80::1%eth0]/", Err(UrlError::Host));
    check("https://[fe80::1%251]/", Err(UrlError::Host));
    check("https://[v1.a]/", Err(UrlError::Host));
    check("https://[127.0.0.1]/", Err(UrlError::Host));
    check("https://[]/", Err(UrlError::Host));
    check("https://a]/", Err(UrlError::Host));
    check("https://[[::1]]/", Err(UrlError::Host));
    check("https://[::1]x/", Err(UrlError::Host));
    check("https://[::1/", Err(UrlError::Port));
    check("https://::1/", Err(UrlError::Port));
    check("https://a.example:0/", Err(UrlError::Port));
    check("https://a.example:65536/", Err(UrlError::Port));
    check("https://a.example:+1/", Err(UrlError::Port));
    check("https://a.example:0443/", Err(UrlError::Port));
    check("https://a.example:/", Err(UrlError::Port));
    check("https://a.example/../x", Err(UrlError::Dots));
    check("https://a.example/./x", Err(UrlError::Dots));
    check("https://a.example/a/..", Err(UrlError::Dots));
    check("https://a.example/%2e%2e/x", Err(UrlError::Dots));
    check("https://a.example/.%2E/x", Err(UrlError::Dots));
    check("https://a.example/%252e%252e/x", Err(UrlError::Dots));
    check("https://a.example/a%2fb", Err(UrlError::Dots));
    check("https://a.example/a%5Cb", Err(UrlError::Dots));
    check("https://a.example/a%252fb", Err(UrlError::Dots));
    check("https://a.example/a%00", Err(UrlError::Dots));
    check("https://a.example/a%0d%0a", Err(UrlError::Dots));
    check("https://a.example//x", Err(UrlError::Dots));
    check("https://a.example/a//", Err(UrlError::Dots));
    // Encoded again and again, wholly or in part.
    check("https://a.example/%25252e%25252e/x", Err(UrlError::Dots));
    check("https://a.example/a%2525252fb", Err(UrlError::Dots));
    check("https://a.example/%25%32%65%25%32%65/x", Err(UrlError::Dots));
    check("https://a.example/%2525%32e./x", Err(UrlError::Dots));
    check("https://a.example/a%2541", Ok("https://a.example/a%2541"));
    check("https://a.example/a%252541", Ok("https://a.example/a%252541"));
    check("https://a.example/a%25252541", Err(UrlError::Dots));
    check("https://a.example/100%25", Ok("https://a.example/100%25"));
    check("https://a.example/100%25%2B1", Ok("https://a.example/100%25%2B1"));
    // What servers that know path parameters make of it.
    check("https://a.example/..;/x", Err(UrlError::Dots));
    check("https://a.example/..;a=b/x", Err(UrlError::Dots));
    check("https://a.example/.;/x", Err(UrlError::Dots));
    check("https://a.example/..%3b/x", Err(UrlError::Dots));
    check("https://a.example/%252e%252e%253b/x", Err(UrlError::Dots));
    check("https://a.example/a/;b/x", Err(UrlError::Dots));
    check("https://a.example/a;b=..", Ok("https://a.example/a;b=.."));
    check("https://a.example/...", Ok("https://a.example/..."));
    // Octets that are no UTF-8, among them a `.` and a `/` in more bytes than they take.
    check("https://a.example/%c0%ae%c0%ae/x", Err(UrlError::Encoding));
    check("https://a.example/%c0%af", Err(UrlError::Encoding));
    check("https://a.example/%e0%80%af", Err(UrlError::Encoding));
    check("https://a.example/%25c0%25ae", Err(UrlError::Encoding));
    check("https://a.example/%ff", Err(UrlError::Encoding));
    check("https://a.example/%u002e%u002e/x", Err(UrlError::Percent));
    check("https://a.example/%", Err(UrlError::Percent));
    check("https://a.example/%2", Err(UrlError::Percent));
    check("https://a.example/%zz", Err(UrlError::Percent));
    check("https://a.example/?%", Err(UrlError::Percent));
    let long = format!("https://a.example/{}", "a".repeat(URL_BYTES_MAX));
    check(&long, Err(UrlError::Length));
}

#[test]
fn patterns_are_read_or_refused() {
    let check = |text: &str, expected: Result<&str, UrlError>| {
        let pattern = UrlPattern::parse(text).map(|pattern| pattern.to_string());
        assert_eq!(pattern.as_deref().map_err(|error| *error), expected, "{text}");
    };
    check("https://a.example", Ok("https://a.example/"));
    check("https://*.a.example/**", Ok("https://*.a.example/**"));
    check("https://a.example/*/x/**", Ok("https://a.example/*/x/**"));
    check("https://*/", Err(UrlError::Wildcard));
    check("https://*.example/", Err(UrlError::Wildcard));
    check("https://a*.b.example/", Err(UrlError::Wildcard));
    check("https://a.*.example/", Err(UrlError::Wildcard));
    check("https://*.0.0.1/", Err(UrlError::Host));
    check("https://*.[::1]/", Err(UrlError::Host));
    check("https://*.*.example/", Err(UrlError::Host));
    check("https://a.example:*/", Err(UrlError::Port));
    check("https://a.example/a*", Err(UrlError::Wildcard));
    check("https://a.example/**/x", Err(UrlError::Wildcard));
    check("https://a.example/?x", Err(UrlError::Query));
    check("*://a.example/", Err(UrlError::Scheme));
    check("*", Err(UrlError::Scheme));
    check("", Err(UrlError::Scheme));
}

#[test]
fn a_pattern_covers_what_it_names_and_nothing_else() {
    let check = |pattern: &str, url: &str, expected: bool| {
        let covers = UrlPattern::parse(pattern).unwrap().covers(&RequestUrl::parse(url).unwrap());
        assert_eq!(covers, expected, "{pattern} covers {url}");
    };
    let vault = "https://vault.example:8200/v1/secret/**";
    check(vault, "https://vault.example:8200/v1/secret/a", true);
    check(vault, "https://vault.example:8200/v1/secret/a/b?list=true", true);
    check(vault, "https://vault.example:8200/v1/secret/", true);
    check(vault, "https://vault.example:8200/v1/secret", true);
    check(vault, "https://vault.example:8200/v1/secretx", false);
    check(vault, "https://vault.example:8200/v1", false);
    check(vault, "https://vault.example:8200/v1/Secret/a", false);
    check(vault, "https://vault.example:8200/v1/%73ecret/a", true);
    check(vault, "http://vault.example:8200/v1/secret/a", false);
    check(vault, "https://vault.example/v1/secret/a", false);
    check(vault, "https://VAULT.example:8200/v1/secret/a", true);
    check(vault, "https://xvault.example:8200/v1/secret/a", false);
    check(vault, "https://vault.example.org:8200/v1/secret/a", false);
    check("https://a.example/%2a", "https://a.example/*", true);
    check("https://a.example/%2A%2A", "https://a.example/x", false);
    check("https://a.example/x", "https://a.example/x", true);
    check("https://a.example/x", "https://a.example/x/", false);
    check("https://a.example/x", "https://a.example/x/y", false);
    check("https://a.example/x/*", "https://a.example/x/y", true);
    check("https://a.example/x/*", "https://a.example/x/", false);
    check("https://a.example/x/*", "https://a.example/x", false);
    check("https://a.example/x/*", "https://a.example/x/y/z", false);
    check("https://a.example/", "https://a.example/", true);
    check("https://a.example/", "https://a.example/x", false);
    check("https://a.example/**", "https://a.example/x/y", true);
    check("https://*.a.example/**", "https://b.a.example/", true);
    check("https://*.a.example/**", "https://a.example/", false);
    check("https://*.a.example/**", "https://c.b.a.example/", false);
    check("https://*.a.example/**", "https://b.a.example.org/", false);
    check("https://[::1]/**", "https://[0:0:0:0:0:0:0:1]/", true);
}
