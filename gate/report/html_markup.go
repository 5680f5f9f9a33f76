package report

import (
	"html"
	"net/url"
	"strings"
)

// markup is HTML that is fit to be shown. Constants are; everything else becomes it by text, tag or link.
type markup string

// text escapes text for the inside of elements and for attributes.
func text(s string) markup { return markup(html.EscapeString(clean(s))) }

// line is text for places that have one line.
func line(s string) markup { return text(oneLine(s)) }

// attrs are the names and values of attributes, in turn. The names are constants.
type attrs []string

// tag is an element with its end.
func tag(name markup, a attrs, children ...markup) markup {
	var b strings.Builder
	b.WriteString("<" + string(name))
	a.write(&b)
	b.WriteByte('>')
	for _, c := range children {
		b.WriteString(string(c))
	}
	b.WriteString("</" + string(name) + ">")
	return markup(b.String())
}

// empty is an element of a drawing that has nothing inside.
func empty(name markup, a attrs) markup {
	var b strings.Builder
	b.WriteString("<" + string(name))
	a.write(&b)
	b.WriteString("/>")
	return markup(b.String())
}

func (a attrs) write(b *strings.Builder) {
	for i := 0; i+1 < len(a); i += 2 {
		b.WriteString(" " + a[i] + `="` + string(text(a[i+1])) + `"`)
	}
}

// join puts a separator between parts that say something.
func join(sep markup, parts ...markup) markup {
	var said []string
	for _, p := range parts {
		if p != "" {
			said = append(said, string(p))
		}
	}
	return markup(strings.Join(said, string(sep)))
}

func code(s string) markup {
	if s = oneLine(s); s == "" {
		return ""
	}
	return tag("code", nil, breakable(s))
}

// breakable is code that may be broken where a name has a joint, so that a narrow page need not be scrolled.
func breakable(s string) markup {
	var b strings.Builder
	from := 0
	for i, r := range s {
		if strings.ContainsRune("/.,=:_-[(", r) && i-from >= 6 {
			b.WriteString(string(text(s[from:i])) + "<wbr>")
			from = i
		}
	}
	return markup(b.String()) + text(s[from:])
}

// link leads to a page of the web, and nowhere else. What is not an address of one stays text.
func link(address string) markup {
	address = oneLine(address)
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return text(address)
	}
	u.User = nil // it may be a password
	return tag("a", attrs{"href", u.String(), "rel", "noopener noreferrer nofollow"}, breakable(u.String()))
}

// list is an unordered list; empty without items.
func list(class string, items []markup) markup {
	if len(items) == 0 {
		return ""
	}
	var all []markup
	for _, i := range items {
		all = append(all, tag("li", nil, i))
	}
	return tag("ul", attrs{"class", class}, all...)
}

// folded is a part that a reader opens when he wants it.
func folded(open bool, summary markup, inside ...markup) markup {
	a := "<details>"
	if open {
		a = "<details open>"
	}
	return markup(a) + tag("summary", nil, summary) + join("", inside...) + "</details>\n"
}

// fact is a label and what there is to say to it.
type fact struct {
	label markup
	value markup
}

// facts is a list of labels with their values; those without a value are left out.
func facts(class string, all ...fact) markup {
	var inside []markup
	for _, f := range all {
		if f.value != "" {
			inside = append(inside, tag("div", nil, tag("dt", nil, f.label), tag("dd", nil, f.value)))
		}
	}
	if len(inside) == 0 {
		return ""
	}
	return tag("dl", attrs{"class", class}, inside...) + "\n"
}

// headCell is the head of one column of a table.
type headCell struct {
	title  string
	number bool
}

// gridRow is one row of a table; class may be empty.
type gridRow struct {
	class string
	cells []markup
}

// grid is a table with a caption. Each cell knows the head of its column, so that a narrow page can show them as lines.
func grid(caption markup, head []headCell, rows []gridRow) markup {
	if len(rows) == 0 {
		return ""
	}
	class := func(i int, cell markup) attrs {
		var names []string
		if head[i].number {
			names = append(names, "num")
		}
		if cell.width() <= 22 {
			names = append(names, "short")
		}
		if len(names) == 0 {
			return nil
		}
		return attrs{"class", strings.Join(names, " ")}
	}
	var titles, body []markup
	for i, h := range head {
		titles = append(titles, tag("th", append(attrs{"scope", "col"}, class(i, line(h.title))...), line(h.title)))
	}
	for _, r := range rows {
		var cells []markup
		for i, c := range r.cells {
			if i == 0 {
				cells = append(cells, tag("th", append(attrs{"scope", "row"}, class(i, c)...), c))
				continue
			}
			cells = append(cells, tag("td", append(attrs{"data-head", head[i].title}, class(i, c)...), c))
		}
		a := attrs(nil)
		if r.class != "" {
			a = attrs{"class", r.class}
		}
		body = append(body, tag("tr", a, cells...)+"\n")
	}
	return tag("table", nil, tag("caption", nil, caption), tag("thead", nil, tag("tr", nil, titles...)), "\n",
		tag("tbody", nil, body...)) + "\n"
}

// width is about how many characters are shown: an entity counts as some.
func (m markup) width() int {
	n, inside := 0, false
	for _, r := range string(m) {
		switch {
		case r == '<':
			inside = true
		case r == '>':
			inside = false
		case !inside:
			n++
		}
	}
	return n
}

// badge is a word in the colour of what it means; the word says it all.
func badge(color, word string) markup {
	return tag("span", attrs{"class", "badge " + colorClass(color)}, markup(signs[color]), text(clip(oneLine(word), 40)))
}

// colorClass is the class for a colour of the terminal.
func colorClass(color string) string {
	if name := map[string]string{green: "good", red: "bad", yellow: "warn"}[color]; name != "" {
		return name
	}
	return "plain"
}

// signs stand before a word, for who does not see its colour.
var signs = map[string]string{green: "✓\u00a0", red: "✕\u00a0", yellow: "!\u00a0"}
