//! The table of `docs/response-syntax.md` as tests: one a row, each a response and what is made of it.

use super::*;

/// What is read of a whole response: status, whether its connection goes on, its content, and what else its head says.
fn read(response: &str) -> String {
    let wanted = ["X-Next".to_owned()];
    let bytes = response.as_bytes();
    let read = (|| {
        let Some((len, head)) = read_head_with(bytes, &wanted)? else { return Ok("incomplete".to_owned()) };
        let (mut content, mut reader) = (Vec::new(), head.body.reader());
        let used = reader.read(&bytes[len..], |piece| content.extend_from_slice(piece))?;
        let end = if reader.is_done() { format!("{} left", bytes.len() - len - used) } else { "open".into() };
        let connection = if head.keeps_alive { "keeps" } else { "closes" };
        let mut told = format!("{} {connection} `{}` {end}", head.status, String::from_utf8_lossy(&content));
        let next = head.wanted.into_iter().next().flatten();
        let retry_after = head.retry_after.map(|wait| format!("{wait:?}"));
        let coding = head.coding.map(|coding| coding.to_string());
        for (name, value) in [
            ("type", head.content_type),
            ("etag", head.etag),
            ("retry", retry_after),
            ("coded", coding),
            ("next", next),
        ] {
            told += &value.map_or_else(String::new, |value| format!(" {name}={value}"));
        }
        Ok::<_, HttpError>(told)
    })();
    read.unwrap_or_else(|error| format!("error: {error}"))
}

macro_rules! table {
    ($($row:ident: $response:expr => $expected:expr;)*) => {
        const ROWS: &[&str] = &[$(stringify!($row)),*];
        $(
            #[test]
            fn $row() {
                let response = String::from($response);
                assert_eq!(read(&response), $expected, "{:.300}", format!("{response:?}"));
            }
        )*
    };
}

const OK: &str = "HTTP/1.1 200 OK\r\n";

table! {
    // RFC 9112, section 2.2: message parsing.
    an_empty_line_before_a_response_is_skipped:
        "\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi" => "200 keeps `hi` 0 left";
    a_bare_lf_ends_a_line:
        "HTTP/1.1 200 OK\nContent-Length: 2\nX-Next: 7\n\nhi" => "200 keeps `hi` 0 left next=7";
    space_before_the_first_field_is_refused:
        "HTTP/1.1 200 OK\r\n X: 1\r\n\r\n" => "error: not an HTTP/1.1 answer: invalid header name in `HTTP/1.1 200 OK`";
    // Section 2.3 and RFC 9110, section 2.5: versions.
    http_1_0_closes_unless_it_says_otherwise:
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi" => "200 closes `hi` 0 left";
    http_1_0_with_keep_alive_keeps_its_connection:
        "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nhi" => "200 keeps `hi` 0 left";
    a_later_minor_version_is_read_as_1_1:
        "HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nhi" => "200 keeps `hi` 0 left";
    another_major_version_is_refused:
        "HTTP/2.0 200 OK\r\n\r\n" => "error: not an HTTP/1.1 answer: invalid HTTP version in `HTTP/2.0 200 OK`";
    // Section 4: status line.
    the_reason_phrase_may_be_empty:
        "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n" => "200 keeps `` 0 left";
    the_reason_phrase_may_be_absent_with_its_space:
        "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n" => "200 keeps `` 0 left";
    the_reason_phrase_may_be_of_any_bytes:
        "HTTP/1.1 200 Gr\u{fc}\u{df}e\tan alle\r\nContent-Length: 0\r\n\r\n" => "200 keeps `` 0 left";
    several_spaces_in_the_status_line_are_one:
        "HTTP/1.1  200   OK\r\nContent-Length: 0\r\n\r\n" => "200 keeps `` 0 left";
    // Section 5: fields.
    field_names_are_of_either_case:
        "HTTP/1.1 200 OK\r\ncOnTeNt-lEnGtH: 2\r\nx-next: 7\r\n\r\nhi" => "200 keeps `hi` 0 left next=7";
    whitespace_around_a_value_is_no_part_of_it:
        "HTTP/1.1 200 OK\r\nContent-Length:\t 2 \t\r\nX-Next:7\r\n\r\nhi" => "200 keeps `hi` 0 left next=7";
    space_before_the_colon_is_passed_over:
        "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nhi" => "200 keeps `hi` 0 left";
    a_folded_field_is_one_line:
        "HTTP/1.1 200 OK\r\nX-Next: a,\r\n\t b\r\n  c\r\nContent-Length: 2\r\n\r\nhi"
            => "200 keeps `hi` 0 left next=a, b c";
    a_field_may_begin_with_a_fold:
        "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n" => "200 keeps `hi` 0 left";
    a_field_may_be_empty:
        "HTTP/1.1 200 OK\r\nX-Next:\r\nContent-Length: 0\r\n\r\n" => "200 keeps `` 0 left next=";
    a_value_may_hold_bytes_beyond_ascii:
        "HTTP/1.1 200 OK\r\nX-Next: \u{fc}\r\nContent-Length: 0\r\n\r\n" => "200 keeps `` 0 left next=\u{fc}";
    // Section 6: framing.
    a_length_ends_a_body: format!("{OK}Content-Length: 2\r\n\r\nhiHTTP/1.1") => "200 keeps `hi` 8 left";
    a_length_said_twice_alike_is_one_length:
        format!("{OK}Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi") => "200 keeps `hi` 0 left";
    a_list_of_equal_lengths_is_one_length: format!("{OK}Content-Length: 2, 2\r\n\r\nhi") => "200 keeps `hi` 0 left";
    two_lengths_that_differ_are_an_error: format!("{OK}Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi")
        => "error: not an HTTP/1.1 answer: Content-Length says both 2 and 3: expected one length (RFC 9112, section 6.3)";
    a_length_that_is_no_number_is_an_error: format!("{OK}Content-Length: +2\r\n\r\nhi")
        => "error: not an HTTP/1.1 answer: Content-Length `+2`: expected a decimal number (RFC 9110, section 8.6)";
    chunks_go_before_a_length: format!("{OK}Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
        => "200 keeps `hi` 0 left";
    the_coding_is_of_either_case: format!("{OK}Transfer-Encoding: Chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
        => "200 keeps `hi` 0 left";
    a_list_of_codings_with_empty_elements_is_a_list: format!("{OK}Transfer-Encoding: , chunked,\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
        => "200 keeps `hi` 0 left";
    the_identity_of_old_servers_is_no_coding: format!("{OK}Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nhi")
        => "200 keeps `hi` 0 left";
    http_1_0_with_chunks_is_read_and_its_connection_closed:
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
            => "200 closes `hi` 0 left";
    without_length_and_chunks_the_connection_ends_the_body: format!("{OK}\r\nhi") => "200 closes `hi` open";
    an_unfinished_transfer_coding_is_named: format!("{OK}Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
        => "200 keeps `hi` 0 left coded=Transfer-Encoding: gzip";
    a_last_coding_that_is_not_chunked_ends_with_the_connection: format!("{OK}Transfer-Encoding: chunked, gzip\r\n\r\nhi")
        => "200 closes `hi` open coded=Transfer-Encoding: chunked, gzip";
    chunked_twice_is_named: format!("{OK}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        => "200 keeps `` 0 left coded=Transfer-Encoding: chunked";
    a_204_has_no_body: "HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n" => "204 keeps `` 0 left";
    a_304_has_no_body: "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n"
        => "304 keeps `` 0 left";
    a_304_may_repeat_any_length: "HTTP/1.1 304 Not Modified\r\nContent-Length: many\r\n\r\n" => "304 keeps `` 0 left";
    a_205_has_the_body_that_its_length_says: "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n"
        => "205 keeps `` 0 left";
    // Section 7.1: chunks.
    chunk_sizes_are_of_either_case_with_leading_zeros: format!("{OK}Transfer-Encoding: chunked\r\n\r\n00000000000000000A\r\n0123456789\r\na\r\n0123456789\r\n000\r\n\r\n")
        => "200 keeps `01234567890123456789` 0 left";
    chunk_extensions_are_passed_over: format!("{OK}Transfer-Encoding: chunked\r\n\r\n2 ; a=\"b;c\" ;d\r\nhi\r\n0;last\r\n\r\n")
        => "200 keeps `hi` 0 left";
    trailers_are_passed_over: format!("{OK}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Next: 9\r\nContent-Length: 4\r\n\r\n")
        => "200 keeps `hi` 0 left";
    a_chunk_without_a_size_is_an_error: format!("{OK}Transfer-Encoding: chunked\r\n\r\nhi\r\n")
        => "error: malformed chunked body: a chunk without a size (RFC 9112 7.1)";
    // Section 9.3 and RFC 9110, section 7.6.1: the connection.
    close_in_a_list_closes: format!("{OK}Connection: upgrade, Close\r\nContent-Length: 0\r\n\r\n") => "200 closes `` 0 left";
    close_in_one_of_several_fields_closes:
        format!("{OK}Connection: keep-alive\r\nConnection: close\r\nContent-Length: 0\r\n\r\n") => "200 closes `` 0 left";
    other_options_do_not_close: format!("{OK}Connection: keep-alive, Upgrade\r\nContent-Length: 0\r\n\r\n")
        => "200 keeps `` 0 left";
    close_goes_before_keep_alive: "HTTP/1.0 200 OK\r\nConnection: keep-alive, close\r\nContent-Length: 0\r\n\r\n"
        => "200 closes `` 0 left";
    // RFC 9110, section 15.2: interim responses.
    interim_responses_are_passed_over: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"
        => "204 keeps `` 0 left";
    unknown_interim_responses_are_passed_over:
        "HTTP/1.1 199 Patience\r\nContent-Length: 7\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi" => "200 keeps `hi` 0 left";
    switching_protocols_is_no_interim_response: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nabc"
        => "101 keeps `` 3 left";
    // RFC 9110, section 8: representations.
    a_media_type_is_of_either_case_and_its_parameters_are_no_part_of_it:
        format!("{OK}Content-Type: Text/Event-Stream ; Charset=\"UTF-8\"\r\nContent-Length: 0\r\n\r\n")
            => "200 keeps `` 0 left type=text/event-stream";
    a_content_coding_is_named: format!("{OK}Content-Encoding: GZip\r\nContent-Length: 2\r\n\r\n\u{1}\u{2}")
        => "200 keeps `\u{1}\u{2}` 0 left coded=Content-Encoding: gzip";
    several_content_codings_are_named_in_order:
        format!("{OK}Content-Encoding: deflate, br\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n")
            => "200 keeps `` 0 left coded=Content-Encoding: deflate, br, gzip";
    none_is_no_coding: format!("{OK}Content-Encoding: None\r\nContent-Length: 2\r\n\r\nhi") => "200 keeps `hi` 0 left";
    identity_is_no_coding: format!("{OK}Content-Encoding: identity\r\nContent-Length: 2\r\n\r\nhi")
        => "200 keeps `hi` 0 left";
    a_strong_etag_loses_its_quotes: format!("{OK}ETag: \"k3:4\"\r\nContent-Length: 0\r\n\r\n")
        => "200 keeps `` 0 left etag=k3:4";
    a_weak_etag_loses_its_prefix: format!("{OK}ETag: W/\"k3:4\"\r\nContent-Length: 0\r\n\r\n")
        => "200 keeps `` 0 left etag=k3:4";
    // RFC 9110, section 10.2.3: Retry-After.
    retry_after_in_seconds_is_heard: format!("{OK}Retry-After: 7\r\nContent-Length: 0\r\n\r\n")
        => "200 keeps `` 0 left retry=7s";
    retry_after_as_a_date_counts_from_the_date_of_the_answer:
        format!("{OK}Date: Sun, 06 Nov 1994 08:49:30 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n")
            => "200 keeps `` 0 left retry=7s";
    retry_after_as_a_date_of_the_older_forms_is_heard:
        format!("{OK}Date: Sunday, 06-Nov-94 08:49:30 GMT\r\nRetry-After: Sun Nov  6 08:49:37 1994\r\nContent-Length: 0\r\n\r\n")
            => "200 keeps `` 0 left retry=7s";
    retry_after_in_the_past_is_no_wait: format!("{OK}Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\nContent-Length: 0\r\n\r\n")
        => "200 keeps `` 0 left retry=0ns";
    retry_after_that_is_neither_is_passed_over: format!("{OK}Retry-After: -1\r\nContent-Length: 0\r\n\r\n")
        => "200 keeps `` 0 left";
    // Bounds of ours.
    the_largest_head_is_named: format!("{OK}X: {}\r\n\r\n", "x".repeat(MAX_HEAD))
        => "error: an answer with a head of more than 65536 bytes, which is the most that loadgen reads";
    a_head_that_does_not_end_is_named: format!("{OK}X: {}", "x".repeat(MAX_HEAD))
        => "error: an answer with a head of more than 65536 bytes, which is the most that loadgen reads";
    interim_responses_without_end_are_named: "HTTP/1.1 100 Continue\r\n\r\n".repeat(MAX_HEAD / 25 + 1)
        => "error: an answer with a head of more than 65536 bytes, which is the most that loadgen reads";
    a_long_line_within_the_head_is_read: format!("{OK}X-Next: {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(60_000))
        => format!("200 keeps `` 0 left next={}", "x".repeat(60_000));
    as_many_fields_as_are_taken_are_read: format!("{OK}{}Content-Length: 0\r\n\r\n", "X: 1\r\n".repeat(MAX_FIELDS - 1))
        => "200 keeps `` 0 left";
    the_largest_number_of_fields_is_named: format!("{OK}{}\r\n", "X: 1\r\n".repeat(MAX_FIELDS + 1))
        => "error: an answer with more than 256 header fields, which is the most that loadgen reads";
    the_longest_chunk_size_line_is_named: format!("{OK}Transfer-Encoding: chunked\r\n\r\n2;{}\r\n", "x".repeat(256))
        => "error: malformed chunked body: a chunk-size line of more than 256 bytes (RFC 9112 7.1)";
    the_longest_trailers_are_named: format!("{OK}Transfer-Encoding: chunked\r\n\r\n0\r\nX: {}\r\n\r\n", "x".repeat(MAX_HEAD))
        => "error: malformed chunked body: trailers of more than 65536 bytes (RFC 9112 7.1)";
    // What is none of it.
    what_is_no_http_is_said_with_its_first_line: "SSH-2.0-OpenSSH_9.2\r\n"
        => "error: not an HTTP/1.1 answer: invalid HTTP version in `SSH-2.0-OpenSSH_9.2`";
}

#[test]
fn the_largest_body_is_named_however_it_is_delimited() {
    let most = vec![b'x'; MAX_BODY];
    let of = |head: &str, body: &[u8]| read_whole(&[head.as_bytes(), body].concat());
    let announced = format!("{OK}Content-Length: {}\r\n\r\n", MAX_BODY + 1);
    let error = of(&announced, b"").unwrap_err().to_string();
    assert_eq!(error, "an answer with a body of more than 16777216 bytes, which is the most that loadgen reads");
    assert!(matches!(of("HTTP/1.1 200 OK\r\n\r\n", &most), Ok(None)), "it may end yet");
    let larger = [&most[..], b"x"].concat();
    assert!(matches!(of("HTTP/1.1 200 OK\r\n\r\n", &larger), Err(HttpError::TooLarge)));
    let chunk = [b"2000000\r\n", &larger[..]].concat();
    let chunked = of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &chunk);
    assert!(matches!(chunked, Err(HttpError::TooLarge)), "{chunked:?}");
}

#[test]
fn a_response_reads_the_same_wherever_it_is_cut() {
    let whole = "\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 200 OK\r\nX-Next: a\r\n b\r\n\
                 Transfer-Encoding: chunked\r\n\r\n2;x\r\nhi\r\n0\r\nT: 1\r\n\r\n";
    for cut in 0..whole.len() {
        assert!(read_whole(&whole.as_bytes()[..cut]).unwrap().is_none(), "cut at {cut}");
    }
    assert_eq!(read(whole), "200 keeps `hi` 0 left next=a b");
}

#[test]
fn the_table_in_the_docs_has_a_row_for_each_of_these_tests() {
    let docs = include_str!("../../../../docs/response-syntax.md");
    let told: Vec<&str> =
        docs.lines().filter_map(|line| line.strip_suffix("` |")?.rsplit_once('`')).map(|row| row.1).collect();
    for row in ROWS {
        assert!(told.contains(row), "docs/response-syntax.md has no row that ends in `{row}`");
    }
    for row in told {
        assert!(ROWS.contains(&row) || row == "the_largest_body_is_named_however_it_is_delimited", "{row} is no test");
    }
}
