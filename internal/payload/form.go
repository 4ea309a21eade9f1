package payload

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// field is a name of a form with its values, in the order of their first.
type field struct {
	name   string
	values [][]byte // nil: the name stood alone
}

// FormObject appends the JSON object that a form
// (application/x-www-form-urlencoded) stands for, its fields in the form's
// order. A value is a string; a name without "=" is true, as the original took
// it; a name that is repeated has the array of its values.
func FormObject(dst, form []byte) ([]byte, error) {
	fields, err := formFields(form)
	if err != nil {
		return dst, err
	}
	dst = append(dst, '{')
	for i, f := range fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, f.name)
		dst = append(dst, ':')
		if len(f.values) > 1 {
			dst = append(dst, '[')
		}
		for k, value := range f.values {
			if k > 0 {
				dst = append(dst, ',')
			}
			if value == nil {
				dst = append(dst, "true"...)
			} else {
				dst = appendString(dst, string(value))
			}
		}
		if len(f.values) > 1 {
			dst = append(dst, ']')
		}
	}
	return append(dst, '}'), nil
}

func formFields(form []byte) (fields []field, err error) {
	places := map[string]int{}
	for offset := 0; offset < len(form); {
		pair := form[offset:]
		if end := bytes.IndexByte(pair, '&'); end >= 0 {
			pair = pair[:end]
		}
		start := offset
		offset += len(pair) + 1
		if len(pair) == 0 {
			continue
		}
		rawName, rawValue, given := bytes.Cut(pair, []byte("="))
		name, err := unescape(form, start, rawName)
		if err != nil {
			return nil, err
		}
		var value []byte
		if given {
			if value, err = unescape(form, start+len(rawName)+1, rawValue); err != nil {
				return nil, err
			}
		}
		k, seen := places[string(name)]
		if !seen {
			k = len(fields)
			places[string(name)] = k
			fields = append(fields, field{name: string(name)})
		}
		fields[k].values = append(fields[k].values, value)
	}
	return fields, nil
}

// unescape decodes + and %XX. The answer is never nil.
func unescape(form []byte, start int, raw []byte) ([]byte, error) {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; c {
		case '+':
			out = append(out, ' ')
		case '%':
			high, low := -1, -1
			if i+2 < len(raw) {
				high, low = hexDigit(raw[i+1]), hexDigit(raw[i+2])
			}
			if high < 0 || low < 0 {
				return nil, at(form, start+i, "not a form: %% needs two hexadecimal digits")
			}
			out = append(out, byte(high<<4|low))
			i += 2
		default:
			out = append(out, c)
		}
	}
	if !utf8.Valid(out) {
		return nil, at(form, start, "not a form: a name or value is not UTF-8, which JSON needs")
	}
	return out, nil
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// appendString writes a JSON string. Nothing is escaped for HTML: the bytes are
// for a consumer, not for a page.
func appendString(dst []byte, text string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(text); err != nil { // a string always can be
		return append(dst, `""`...)
	}
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}
