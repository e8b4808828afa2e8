//! In which form the asker wants to read an error.

/// The forms an error has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ErrorForm {
    Html,
    Json,
    Text,
}

/// By an `Accept` header (RFC 9110, 12.5.1), empty when there is none. HTML wins a
/// draw; what accepts neither HTML nor JSON gets text.
pub(super) fn error_form(accept: &str) -> ErrorForm {
    let html = quality(accept, "text/html", "text/*");
    let json = quality(accept, "application/json", "application/*");
    if html > 0.0 && html >= json {
        ErrorForm::Html
    } else if json > 0.0 {
        ErrorForm::Json
    } else {
        ErrorForm::Text
    }
}

/// The weight of the most specific range that covers `media_type`; 0 for none.
fn quality(accept: &str, media_type: &str, group: &str) -> f32 {
    let weight_of = |wanted: &str| {
        accept.split(',').find_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let named = parts.next()?;
            named.eq_ignore_ascii_case(wanted).then(|| {
                parts
                    .find_map(|parameter| parameter.strip_prefix("q="))
                    .map_or(1.0, |weight| weight.parse().unwrap_or(0.0))
            })
        })
    };
    weight_of(media_type)
        .or_else(|| weight_of(group))
        .or_else(|| weight_of("*/*"))
        .unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_follows_the_header() {
        for (accept, form) in [
            ("", ErrorForm::Text),
            ("*/*", ErrorForm::Html),
            ("application/json", ErrorForm::Json),
            ("text/html, application/json", ErrorForm::Html),
            ("text/html;q=0.5, application/json", ErrorForm::Json),
            ("text/html;q=0, */*;q=0.1", ErrorForm::Json),
            ("TEXT/*", ErrorForm::Html),
            ("image/png", ErrorForm::Text),
            (";;,,q=", ErrorForm::Text),
        ] {
            assert_eq!(error_form(accept), form, "{accept}");
        }
    }
}
