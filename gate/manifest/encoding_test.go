package manifest

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"
)

const twoObjects = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: one\ndata:\n  a: 'ä😀'\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: two\n"

// in16 writes text as UTF-16, in32 as UTF-32.
func in16(order binary.AppendByteOrder, text string) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		b = order.AppendUint16(b, unit)
	}
	return string(b)
}

func in32(order binary.AppendByteOrder, text string) string {
	var b []byte
	for _, r := range text {
		b = order.AppendUint32(b, uint32(r))
	}
	return string(b)
}

func TestEncodings(t *testing.T) {
	little, big := binary.LittleEndian, binary.BigEndian
	const mark = byteOrderMark
	crlf := strings.ReplaceAll(twoObjects, "\n", "\r\n")
	const notAppended = "was something appended in another encoding"
	tests := []struct {
		name, data string
		want       string // what the error holds; empty when both objects are read
	}{
		{"UTF-8", twoObjects, ""},
		{"UTF-8 with a byte order mark", mark + twoObjects, ""},
		{"UTF-8 with two", mark + mark + twoObjects, ""},
		{"CRLF", crlf, ""},
		{"CR", strings.ReplaceAll(twoObjects, "\n", "\r"), ""},
		{"CR and CRLF mixed", strings.Replace(crlf, "\r\n", "\r", 3), ""},
		{"no line end at the end", strings.TrimSuffix(twoObjects, "\n"), ""},
		{"UTF-16 LE with a mark", in16(little, mark+crlf), ""},
		{"UTF-16 BE with a mark", in16(big, mark+twoObjects), ""},
		{"UTF-16 LE without", in16(little, crlf), ""},
		{"UTF-16 BE without", in16(big, twoObjects), ""},
		{"UTF-16 with a mark in the middle", in16(little, mark+strings.Replace(twoObjects, "---\n", mark+"---\n", 1)), ""},
		{"UTF-32 LE with a mark", in32(little, mark+twoObjects), ""},
		{"UTF-32 BE with a mark", in32(big, mark+twoObjects), ""},
		{"UTF-32 LE without", in32(little, twoObjects), ""},
		{"UTF-32 BE without", in32(big, twoObjects), ""},
		{"UTF-16 cut off", in16(little, mark+twoObjects)[:101], "file: the file begins as UTF-16, but ends within a character"},
		{"UTF-16 and then UTF-8", in16(little, mark+twoObjects) + twoObjects, "file:12: invalid YAML"}, // an even number of bytes: Chinese characters
		{"UTF-32 and then UTF-8", in32(little, mark+twoObjects) + twoObjects + " ", notAppended},
		{"UTF-16 with half a pair", in16(little, mark+twoObjects) + "\x00\xd8" + in16(little, "\n"), "file:12: the file begins as UTF-16, but here is something else"},
		{"UTF-8 and then UTF-16", twoObjects + in16(little, mark+twoObjects), "file:12: the byte 0xff here is not UTF-8"},
		{"UTF-8 and then UTF-16 without a mark", twoObjects + in16(little, "---\n# more\n"), "file:12: a NUL character is here"},

		{"a mark before the marker", strings.Replace(twoObjects, "---", mark+"---", 1), ""},
		{"a mark behind the marker", strings.Replace(twoObjects, "---\n", "---\n"+mark, 1), ""},
		{"a mark behind a comment", strings.Replace(twoObjects, "---\n", "---\n# b\n"+mark, 1), ""},
		{"a mark without a marker", strings.Replace(twoObjects, "---\n", mark, 1), "file:7: a byte order mark is in the middle"},
		{"a mark behind the last text", strings.Replace(twoObjects, "\n---", mark+"---", 1), "file:6: a byte order mark is in the middle"},

		{"NEL", strings.ReplaceAll(twoObjects, "\n", "\u0085"), "file:1: the line separator U+0085"},
		{"LS", strings.Replace(twoObjects, "\n---\n", "\u2028---\u2028", 1), "file:6: the line separator U+2028"},
		{"PS in a text", strings.Replace(twoObjects, "ä", "\u2029", 1), "file:6: the line separator U+2029"},
		{"LS in a comment", "# a\u2028" + twoObjects, "file:1: the line separator U+2028"},
		{"nothing but NEL", "\u0085\n---\n" + twoObjects, "file:1: the line separator U+0085"},
		{"NUL", strings.Replace(twoObjects, "ä", "\x00", 1), "file:6: a NUL character is here"},
		{"escape", strings.Replace(twoObjects, "ä", "\x1b[31m", 1), "file:6: the control character U+001B"},
		{"Latin-1", strings.Replace(twoObjects, "ä", "\xe4", 1), "file:6: the byte 0xe4 here is not UTF-8"},
		{"Latin-1 in a comment", "# f\xfcr\n" + twoObjects, "file:1: the byte 0xfc here is not UTF-8"},

		{"gzip", "\x1f\x8b\x08\x00\x00", "file: this is a gzip file, not a manifest\n  hint: unpack it first"},
		{"zip", "PK\x03\x04\x14", "file: this is a zip file"},
		{"Ansible Vault", "$ANSIBLE_VAULT;1.1;AES256\n3132", "ansible-vault view"},
		{"PEM", "-----BEGIN CERTIFICATE-----\nMII\n", "file: this is a PEM file"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			objects, err := decode("file", []byte(test.data))
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v and %d objects, want %q", err, len(objects), test.want)
				}
				return
			}
			if err != nil || len(objects) != 2 {
				t.Fatalf("got %d objects and %v, want 2", len(objects), err)
			}
			if text := objects[0].Object["data"].(map[string]any)["a"]; text != "ä😀" {
				t.Errorf("the text is %q", text)
			}
			if line, exact := objects[1].Locate("metadata.name"); !exact || line < 11 || line > 12 {
				t.Errorf("the second name is at line %d, %v", line, exact)
			}
		})
	}
}

// TestJSONKeepsSeparators: in JSON they are characters like any other, and jq writes them out.
func TestJSONKeepsSeparators(t *testing.T) {
	objects, err := decode("file", []byte("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\"},\n\t\"data\":{\"k\":\"a\u2028b\u0085\ufeff\x7f\\/\\ud83d\\ude00\"}}"))
	if err != nil {
		t.Fatal(err)
	}
	if text := objects[0].Object["data"].(map[string]any)["k"]; text != "a\u2028b\u0085\ufeff\x7f/😀" {
		t.Errorf("got %q", text)
	}
	if line, exact := objects[0].Locate("data.k"); line != 2 || !exact {
		t.Errorf("got line %d, %v", line, exact)
	}
}
