package manifest

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// big are files that grow with n, and the line of their mistake, 0 for none.
var big = []struct {
	name string
	text func(n int) string
	line func(n int) int
}{
	{"many documents", func(n int) string {
		return repeated(n, func(i int) string { return fmt.Sprintf("---\n%s", configMap(i)) })
	}, none},
	{"many documents, the last broken", func(n int) string {
		return repeated(n, func(i int) string { return fmt.Sprintf("---\n%s", configMap(i)) }) + "---\n: : :\n- a\n"
	}, func(n int) int { return 5*n + 2 }},
	{"one long line", func(n int) string { return configMap(0) + "  long: '" + strings.Repeat("x", 100*n) + "'\n" }, none},
	{"one long line and a tab", func(n int) string {
		return configMap(0) + "  long: '" + strings.Repeat("x", 100*n) + "'\n\tx: y\n"
	}, func(int) int { return 6 }},
	{"quote open at the beginning", func(n int) string { return rows(n, 1) }, func(int) int { return 6 }},
	{"quote open in the middle", func(n int) string { return rows(n, n/2) }, func(n int) int { return 5 + n/2 }},
	{"quote open at the end", func(n int) string { return rows(n, n) }, func(n int) int { return 5 + n }},
	{"indented too far in the middle", func(n int) string {
		return configMap(0) + repeated(n, func(i int) string {
			if i == n/2 {
				return "   k" + strconv.Itoa(i) + ": v\n"
			}
			return "  k" + strconv.Itoa(i) + ": v\n"
		})
	}, func(n int) int { return 5 + n/2 }},
	{"key twice at the end", func(n int) string {
		return configMap(0) + repeated(n, func(i int) string { return "  k" + strconv.Itoa(i) + ": v\n" }) + "  k0: w\n"
	}, func(n int) int { return 5 + n }},
	{"Latin-1 at the end", func(n int) string { return rows(n, 0) + "  # f\xfcr\n" }, func(n int) int { return 6 + n }},
	{"number keys", func(n int) string {
		return configMap(0) + repeated(n, func(i int) string { return "  " + strconv.Itoa(1000+i) + ": v\n" })
	}, none},
	{"a list", func(n int) string {
		return "apiVersion: v1\nkind: List\nitems:\n" + repeated(n, func(i int) string {
			return fmt.Sprintf("- {apiVersion: v1, kind: ConfigMap, metadata: {name: c%d}}\n", i)
		})
	}, none},
	{"JSON back to back", func(n int) string { return repeated(n, jsonMap) }, none},
	{"JSON back to back, the last broken", func(n int) string { return repeated(n, jsonMap) + "{\"a\":\n1,}" }, func(n int) int { return 2 }},
	{"JSON on one line", func(n int) string {
		return `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{` + repeated(n, func(i int) string { return fmt.Sprintf(`"k%d":"v",`, i) }) + `"k":"v"}}`
	}, none},
	{"aliases", func(n int) string {
		return "x: &x {a: b}\n" + configMap(0) + "list:\n" + repeated(n, func(int) string { return "- *x\n" })
	}, none},
	{"nested", func(n int) string {
		n = min(n, 4000)
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nspec: " + strings.Repeat("[", n) + strings.Repeat("]", n) + "\n"
	}, none},
}

func none(int) int { return 0 }

func repeated(n int, text func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(text(i))
	}
	return b.String()
}

func configMap(i int) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c%d}\ndata:\n", i)
}

func jsonMap(i int) string {
	return fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c%d"}}`, i)
}

// rows is a ConfigMap with n long rows from line 6 on, of which row broken opens a quote.
func rows(n, broken int) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n" + repeated(n, func(i int) string {
		if i+1 == broken {
			return fmt.Sprintf("  k%d: 'a quote that is never closed\n", i)
		}
		return fmt.Sprintf("  k%d: '%s'\n", i, strings.Repeat("z", 80))
	})
}

// TestReadingIsLinear: four times the text is four times the work, whatever is in it and wherever it is wrong. Work is
// measured in bytes allocated, which time on a busy machine does not change.
func TestReadingIsLinear(t *testing.T) {
	for _, file := range big {
		t.Run(file.name, func(t *testing.T) {
			small := work(t, file.text(500), file.line(500))
			large := work(t, file.text(2000), file.line(2000))
			if ratio := float64(large) / float64(small); ratio > 6 {
				t.Errorf("%.1f times the work for 4 times the text: %d and %d bytes allocated", ratio, small, large)
			}
		})
	}
}

// work reads a text and returns how much it allocated. The mistake has to be at the line, 0 for none.
func work(t *testing.T, text string, line int) uint64 {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := decode("big", []byte(text))
	runtime.ReadMemStats(&after)
	switch {
	case line == 0 && err != nil:
		t.Fatal(err)
	case line > 0 && (err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("big:%d: ", line))):
		t.Fatalf("got %v, want line %d", err, line)
	}
	return after.TotalAlloc - before.TotalAlloc
}

func BenchmarkRead(b *testing.B) {
	for _, file := range big {
		b.Run(file.name, func(b *testing.B) {
			text := []byte(file.text(20000))
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				_, _ = decode("big", text)
			}
		})
	}
}
