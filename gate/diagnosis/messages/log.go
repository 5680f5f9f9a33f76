package messages

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/rolloutgate/rolloutgate/internal/wording"
)

const (
	// Burst is how far back from the end the error is searched that ended the program.
	Burst = 60
	// pause is how many calm lines separate an error from those before it: a retry that failed long ago is another story.
	pause = 8
)

var (
	// fatalLine is what runtimes and loggers write when they give up and there is no trace.
	fatalLine = regexp.MustCompile(`^(?:panic|fatal error|Caused by): |^Exception in thread|^Unhandled exception|^thread '.*' panicked|Cannot find module|^[\w.]*(?:Error|Exception)(?::|$)|^Uncaught |exec format error|[Ss]egmentation fault|error while loading shared libraries`)
	// fatalLevel is how loggers mark such a line: logfmt, JSON (60 is fatal in pino and bunyan), brackets, or a word.
	fatalLevel = regexp.MustCompile(`(?i)\blevel=(?:fatal|panic|critical|dpanic)\b|"(?:level|severity|lvl|levelname)":\s*(?:"(?:fatal|panic|critical|emergency|alert|dpanic)"|60\b)|\[(?:fatal|emerg|crit|critical|alert|panic)\]|^F\d{4} \d\d:|^(?:fatal|critical|panic)\b|\b(?-i:FATAL|CRITICAL)\b`)
	// errorLine is what programs write about errors.
	errorLine = regexp.MustCompile(`(?i)\b(fatal|panic|critical|error|err|exception|failed|cannot|could not|unable to|refused|denied|invalid|missing|not found)\b`)
	// calm lines have such words without saying anything bad.
	calm = regexp.MustCompile(`(?i)\b(0|no) errors?\b|level=(info|debug|trace|warn|warning)|"(level|severity)":\s*"(info|debug|trace|warn|warning)"|\[(info|debug|trace|warn|warning)\]|^(INFO|DEBUG|TRACE|WARN|WARNING)\b`)
	// stamp is what loggers write before their words: a time, or klog's header.
	stamp = regexp.MustCompile(`^(?:\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?Z| ?[+-]\d\d:?\d\d)?\]?\s|[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+\s+\d+ \S+\] )`)
	// pair is one field of a line in logfmt.
	pair = regexp.MustCompile(`\b(level|msg|message|err|error)=("(?:[^"\\]|\\.)*"|\S+)`)
	// marks are what a runtime writes before the words of an error.
	marks = regexp.MustCompile(`^(?:Caused by: |---> |\[cause\]: |what\(\):\s+|Exception in thread "[^"]*" |Unhandled exception\. )`)
)

// trouble is a line, or a block of lines, that says that something went wrong; at is the line that says it best.
type trouble struct {
	from, to, at, weight int
}

const (
	erroneous = iota
	fatal
	traced
)

// Headline is the index of the line of a log that says best why a program ended; -1 for an empty log. It is the first
// trace in what was written together at the end, else the first line that a logger called fatal, else the first error:
// what comes after it follows from it.
func Headline(lines []string) int {
	at, _, _ := Block(lines)
	return at
}

// Block is Headline and the lines that belong to it: from, up to but without to.
func Block(lines []string) (at, from, to int) {
	plain := make([]string, len(lines))
	last := -1
	for i, line := range lines {
		plain[i] = stamp.ReplaceAllString(strings.TrimRight(wording.Plain(line), " \t\r"), "")
		if plain[i] != "" {
			last = i
		}
	}
	all := troubles(lines, plain)
	if len(all) == 0 || all[len(all)-1].to < len(lines)-Burst {
		return last, last, last + 1
	}
	best := all[len(all)-1]
	for i := len(all) - 2; i >= 0 && all[i+1].from-all[i].to <= pause; i-- {
		if all[i].weight >= best.weight {
			best = all[i]
		}
	}
	return best.at, best.from, best.to
}

// troubles lists what is bad in a log, the oldest first.
func troubles(lines, plain []string) []trouble {
	blocks := traces(plain)
	var all []trouble
	for i := 0; i < len(lines); i++ {
		if len(blocks) > 0 && blocks[0].from == i {
			all = append(all, trouble{blocks[0].from, blocks[0].to, blocks[0].head, traced})
			i = blocks[0].to - 1
			blocks = blocks[1:]
			continue
		}
		raw := wording.Plain(lines[i])
		switch text := plain[i]; {
		case text == "":
		case fatalLine.MatchString(text) || fatalLevel.MatchString(raw) || fatalLevel.MatchString(text):
			all = append(all, trouble{i, i + 1, i, fatal})
		case text[0] != ' ' && text[0] != '\t' && errorLine.MatchString(raw) && !calm.MatchString(raw) && !calm.MatchString(text):
			all = append(all, trouble{i, i + 1, i, erroneous})
		}
	}
	return all
}

// Words takes the human part out of a line, of JSON and logfmt the message and the error.
func Words(line string) string {
	line = strings.TrimSpace(wording.Plain(line))
	line = strings.TrimSpace(stamp.ReplaceAllString(line, ""))
	line = marks.ReplaceAllString(line, "")
	var fields map[string]any
	if strings.HasPrefix(line, "{") && json.Unmarshal([]byte(line), &fields) == nil {
		return joined(line, pick(fields, "msg", "message", "event", "@m", "@mt", "textPayload"), pick(fields, "err", "error", "exception", "@x", "reason"))
	}
	values := map[string]string{}
	for _, m := range pair.FindAllStringSubmatch(line, -1) {
		values[m[1]] = unquoted(m[2])
	}
	if values["level"] != "" {
		return joined(line, values["msg"]+values["message"], values["err"]+values["error"])
	}
	return wording.Quote(line)
}

// pick is the first of some fields that holds a text, or an error with a message of its own.
func pick(fields map[string]any, keys ...string) string {
	for _, k := range keys {
		switch v := fields[k].(type) {
		case string:
			if v != "" {
				return v
			}
		case map[string]any:
			if text := pick(v, "message", "msg"); text != "" {
				return text
			}
		}
	}
	return ""
}

func unquoted(value string) string {
	if text := ""; strings.HasPrefix(value, `"`) && json.Unmarshal([]byte(value), &text) == nil {
		return text
	}
	return value
}

// joined is a message and its error, or the line when it has neither.
func joined(line, text, cause string) string {
	switch {
	case text == "" && cause == "":
		return wording.Quote(line)
	case text == "":
		return wording.Quote(cause)
	case strings.Contains(text, cause): // an empty one too
		return wording.Quote(text)
	}
	return wording.Quote(text + ": " + cause)
}
