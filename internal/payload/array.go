package payload

import "encoding/json"

// IsArray reports whether a body begins as a JSON array.
func IsArray(body []byte) bool {
	i := skipSpace(body, 0)
	return i < len(body) && body[i] == '['
}

// IsJSON reports whether a body is a JSON object or array as a whole.
func IsJSON(body []byte) bool {
	i := skipSpace(body, 0)
	return i < len(body) && (body[i] == '[' || body[i] == '{') && json.Valid(body)
}

// Elements calls yield with each element of the JSON array that body is, until
// it answers false. An element is a part of body, without the space around it.
// Nothing is yielded of a body that is not valid.
func Elements(body []byte, yield func([]byte) bool) error {
	if !IsArray(body) {
		return at(body, skipSpace(body, 0), "not a JSON array")
	}
	if !json.Valid(body) {
		return jsonFault(body)
	}
	// Valid from here on: brackets match and strings end.
	i := skipSpace(body, skipSpace(body, 0)+1)
	for body[i] != ']' {
		end := skipValue(body, i)
		if !yield(body[i:end:end]) {
			return nil
		}
		i = skipSpace(body, end)
		if body[i] == ',' {
			i = skipSpace(body, i+1)
		}
	}
	return nil
}

func skipSpace(body []byte, i int) int {
	for i < len(body) && (body[i] == ' ' || body[i] == '\t' || body[i] == '\n' || body[i] == '\r') {
		i++
	}
	return i
}

// skipValue gives the end of the value that begins at i, of valid JSON.
func skipValue(body []byte, i int) int {
	for depth := 0; i < len(body); i++ {
		switch body[i] {
		case '"':
			i = skipString(body, i)
			if depth == 0 {
				return i + 1
			}
		case '[', '{':
			depth++
		case ']', '}':
			if depth == 0 {
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return i
			}
		}
	}
	return len(body)
}

// skipString gives the place of the quote that ends the string begun at i.
func skipString(body []byte, i int) int {
	for i++; i < len(body) && body[i] != '"'; i++ {
		if body[i] == '\\' {
			i++
		}
	}
	return i
}
