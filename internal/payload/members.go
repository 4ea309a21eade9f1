package payload

import "iter"

// Members gives the members of the JSON object that body is: each name as it is
// written between its quotes, and its value. body must be valid JSON; of anything
// but an object there are none.
func Members(body []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		i := skipSpace(body, 0)
		if i >= len(body) || body[i] != '{' {
			return
		}
		i = skipSpace(body, i+1)
		for body[i] != '}' {
			quote := skipString(body, i)
			value := skipSpace(body, skipSpace(body, quote+1)+1) // behind the colon
			end := skipValue(body, value)
			if !yield(body[i+1:quote], body[value:end]) {
				return
			}
			i = skipSpace(body, end)
			if body[i] == ',' {
				i = skipSpace(body, i+1)
			}
		}
	}
}

// HasLoneSurrogate reports whether a JSON text holds half of a UTF-16 pair without
// the other half (\ud800): such a character has no UTF-8, and decoders put another
// in its place. text must be valid JSON.
func HasLoneSurrogate(text []byte) bool {
	high := -1 // where the first half of a pair ends
	for i := 0; i+1 < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		if text[i+1] != 'u' {
			i++
			continue
		}
		// d800 to dbff are first halves, dc00 to dfff second ones.
		isHalf := text[i+2]|0x20 == 'd' && hexDigit(text[i+3]) >= 8
		isFirst := isHalf && hexDigit(text[i+3]) < 12
		switch {
		case high == i && (!isHalf || isFirst), high >= 0 && high != i, high != i && isHalf && !isFirst:
			return true
		case isFirst:
			high = i + 6
		default:
			high = -1
		}
		i += 5
	}
	return high >= 0
}
