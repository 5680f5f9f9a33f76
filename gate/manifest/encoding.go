package manifest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const byteOrderMark = "\ufeff"

// plainText turns the bytes of a file into UTF-8 whose lines end with "\n". It reads UTF-8, UTF-16 and UTF-32, with or
// without a byte order mark. YAML and JSON take "\r\n" and "\r" for the end of a line too, so nothing is lost.
func plainText(path string, data []byte) ([]byte, error) {
	if e := notText(path, data); e != nil {
		return nil, e
	}
	text, e := decodeUnicode(path, data)
	if e != nil {
		return nil, e
	}
	text = bytes.TrimPrefix(text, []byte(byteOrderMark))
	if bytes.IndexByte(text, '\r') >= 0 {
		text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
		text = bytes.ReplaceAll(text, []byte("\r"), []byte("\n"))
	}
	if e := notUTF8(path, text); e != nil {
		return nil, e
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(slices.Clip(text), '\n') // as kubectl does: a block of text (|) at the end ends with a line end
	}
	return text, nil
}

// notText recognises files that are handed over by mistake.
func notText(path string, data []byte) *Error {
	for _, format := range []struct{ magic, name, hint string }{
		{"\x1f\x8b", "gzip", "unpack it first: gunzip -c FILE | rolloutgate run -f -; a packed Helm chart is rendered with helm template"},
		{"PK\x03\x04", "zip", "unpack it first"},
		{"BZh", "bzip2", "unpack it first"},
		{"\x28\xb5\x2f\xfd", "zstd", "unpack it first"},
		{"\xfd7zXZ\x00", "xz", "unpack it first"},
		{"\x7fELF", "program", ""},
		{"%PDF-", "PDF", ""},
		{"SQLite format 3\x00", "SQLite", ""},
		{"$ANSIBLE_VAULT;", "encrypted Ansible Vault", "decrypt it first: ansible-vault view FILE | rolloutgate run -f -"},
		{"-----BEGIN ", "PEM", ""},
		{"\x00\x05\x16\x07", "macOS metadata", "delete it; archives made on a Mac hold such files, named ._FILE"},
	} {
		if bytes.HasPrefix(data, []byte(format.magic)) {
			return &Error{Path: path, Msg: "this is a " + format.name + " file, not a manifest", Hint: format.hint}
		}
	}
	return nil
}

// decodeUnicode makes UTF-8 of UTF-16 and UTF-32. Without a byte order mark these are known by the zero bytes beside the
// first character, which is an ASCII one in every manifest.
func decodeUnicode(path string, data []byte) ([]byte, *Error) {
	width, order := 1, binary.ByteOrder(binary.LittleEndian)
	at := func(pattern string) bool { // x stands for a byte that is not zero
		if len(data) < len(pattern) {
			return false
		}
		for i, p := range []byte(pattern) {
			if p == 'x' && data[i] == 0 || p != 'x' && data[i] != p {
				return false
			}
		}
		return true
	}
	switch {
	case at("\xff\xfe\x00\x00"), at("x\x00\x00\x00"):
		width = 4
	case at("\x00\x00\xfe\xff"), at("\x00\x00\x00x"):
		width, order = 4, binary.BigEndian
	case at("\xff\xfe"), at("x\x00"):
		width = 2
	case at("\xfe\xff"), at("\x00x"):
		width, order = 2, binary.BigEndian
	default:
		return data, nil
	}
	name := fmt.Sprintf("UTF-%d", 8*width)
	if len(data)%width != 0 {
		return nil, &Error{Path: path, Msg: "the file begins as " + name + ", but ends within a character",
			Hint: "was something appended in another encoding? Save it as UTF-8"}
	}
	var text []byte
	line := 1
	for i := 0; i < len(data); i += width {
		var r rune
		if width == 4 {
			r = rune(order.Uint32(data[i:]))
		} else if r = rune(order.Uint16(data[i:])); utf16.IsSurrogate(r) && i+4 <= len(data) {
			r = utf16.DecodeRune(r, rune(order.Uint16(data[i+2:])))
			i += 2
		}
		if r == utf8.RuneError || !utf8.ValidRune(r) {
			return nil, &Error{Path: path, Line: line, Msg: "the file begins as " + name + ", but here is something else",
				Hint: "was something appended in another encoding? Save it as UTF-8"}
		}
		if r == '\n' {
			line++
		}
		text = utf8.AppendRune(text, r)
	}
	return text, nil
}

// notUTF8 finds the first byte that is no UTF-8.
func notUTF8(path string, text []byte) *Error {
	if utf8.Valid(text) {
		return nil
	}
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return &Error{Path: path, Line: lineAt(text, i), Msg: fmt.Sprintf("the byte 0x%02x here is not UTF-8", text[i]),
				Hint: "save the file as UTF-8; it looks like Latin-1 or Windows-1252"}
		}
		i += size
	}
	return nil
}

// lineAt is the line of an offset, counted from 1.
func lineAt(text []byte, offset int) int { return 1 + bytes.Count(text[:offset], []byte("\n")) }

// unreadable finds characters on which readers of YAML disagree: control characters, a byte order mark where two files
// were joined, and line separators that YAML 1.1 takes for the end of a line and editors do not.
func (d document) unreadable() *Error {
	line, begins := d.line, true
	for i, r := range string(d.text) {
		var msg string
		hint := "remove it, or write it in double quotes as an escape"
		switch {
		case r == '\n':
			line, begins = line+1, true
			continue
		case r == 0:
			msg, hint = "a NUL character is here", "was something appended in another encoding, such as UTF-16? Save the file as UTF-8"
		case r < ' ' && r != '\t', r >= 0x7f && r < 0xa0 && r != 0x85, r == 0xfffe, r == 0xffff:
			msg = fmt.Sprintf("the control character U+%04X is here", r)
		case r == 0x85, r == 0x2028, r == 0x2029:
			msg = fmt.Sprintf("the line separator U+%04X is here, which ends a line for some readers and not for others", r)
		case r == 0xfeff && (begins || strings.HasPrefix(string(d.text[i:min(len(d.text), i+6)]), byteOrderMark+"---")):
			msg, hint = "a byte order mark is in the middle of the file", `two files were joined here; put a line with "---" between them`
		}
		if msg != "" {
			return &Error{Path: d.path, Line: line, Msg: msg, Hint: hint}
		}
		begins = false
	}
	return nil
}
