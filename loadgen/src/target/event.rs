//! What Socket.IO carries: events and connect packets, from the templates of a target file to JSON.

use serde_json::{Map, Value};

use super::template::{Escape, Template, Values};

/// The data of an event: a JSON array of its name and its arguments.
///
/// An argument that is a JSON object, array or string in quotes when its values are filled in is sent as that; anything
/// else as text: `{text}` and `{payload}` become the same string, `news` and `42` become strings, `{"room":"{topic}"}` an object.
pub fn event_data(event: &[Template], values: &Values<'_>) -> Vec<u8> {
    let mut elements = event.iter().map(|template| template.filled(values));
    let name = elements.next().map(Value::String);
    let all: Vec<Value> = name.into_iter().chain(elements.map(argument)).collect();
    serde_json::to_vec(&all).expect("a JSON value is always JSON")
}

fn argument(text: String) -> Value {
    match serde_json::from_str(&text) {
        Ok(json @ (Value::Object(_) | Value::Array(_) | Value::String(_))) => json,
        _ => Value::String(text),
    }
}

/// What a connect packet says: a JSON object, or nothing where no field has a value.
pub fn auth_data(auth: &[(String, Template)], values: &Values<'_>) -> Vec<u8> {
    let fields = auth.iter().filter_map(|(name, template)| {
        let mut text = String::new();
        template.write(values, Escape::Nothing, &mut text).then_some((name.clone(), Value::String(text)))
    });
    let fields: Map<String, Value> = fields.collect();
    if fields.is_empty() { Vec::new() } else { Value::Object(fields).to_string().into_bytes() }
}

#[cfg(test)]
mod tests {
    use super::super::template::Variable;
    use super::*;

    fn event(texts: &[&str], text: &str) -> String {
        let known = Variable::OF_A_NOTIFICATION;
        let templates: Vec<_> = texts.iter().map(|text| Template::parse(text, known, &[]).unwrap()).collect();
        let values = Values { text, ..Values::of("42", 7, None) };
        String::from_utf8(event_data(&templates, &values)).unwrap()
    }

    #[test]
    fn arguments_are_text_unless_they_are_json_that_is_no_number() {
        assert_eq!(event(&["chat message", "{text}"], "hello"), r#"["chat message","hello"]"#);
        assert_eq!(event(&["chat message", "{payload}"], "hello"), r#"["chat message","hello"]"#);
        assert_eq!(event(&["join", "{topic}", "true"], ""), r#"["join","42","true"]"#);
        let object = event(&["publish", r#"{"topic":"{topic}","payload":{payload}}"#], "hello");
        let expected = serde_json::json!(["publish", {"topic": "42", "payload": "hello"}]);
        assert_eq!(serde_json::from_str::<Value>(&object).unwrap(), expected);
        assert_eq!(event(&["[\"a\"]", "{\"broken\""], ""), r#"["[\"a\"]","{\"broken\""]"#);
    }

    #[test]
    fn a_field_without_a_value_is_left_out_and_so_is_a_connect_packet_without_fields() {
        let field = |name: &str, text: &str| (name.to_owned(), Template::parse(text, Variable::AT_FIRST, &[]).unwrap());
        let auth = [field("token", "{token}"), field("room", "{topic}")];
        let said = |auth: &[_], token| String::from_utf8(auth_data(auth, &Values::of("news", 1, token))).unwrap();
        assert_eq!(said(&auth, Some("s3\"cret")), r#"{"room":"news","token":"s3\"cret"}"#);
        assert_eq!(said(&auth, None), r#"{"room":"news"}"#);
        assert_eq!(said(&auth[..1], None), "");
    }
}
