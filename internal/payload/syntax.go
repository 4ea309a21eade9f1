package payload

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// SyntaxError says what is wrong with a body, and where.
type SyntaxError struct {
	Reason string
	// Offset counts bytes from 0. Line and Column count from 1, columns in bytes.
	Offset, Line, Column int
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s, at line %d, column %d (byte %d)", e.Reason, e.Line, e.Column, e.Offset)
}

// at makes the error of a place in a body.
func at(body []byte, offset int, format string, args ...any) *SyntaxError {
	offset = min(max(offset, 0), len(body))
	before := body[:offset]
	return &SyntaxError{
		Reason: fmt.Sprintf(format, args...), Offset: offset,
		Line: bytes.Count(before, []byte("\n")) + 1, Column: offset - bytes.LastIndexByte(before, '\n'),
	}
}

// jsonFault finds the fault of a body that is not valid JSON.
func jsonFault(body []byte) *SyntaxError {
	var anything json.RawMessage
	err := json.Unmarshal(body, &anything)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		// encoding/json counts the bytes read, the bad one included.
		return at(body, int(syntax.Offset)-1, "not JSON: %v", err)
	}
	return at(body, 0, "not JSON: %v", err)
}
