package analysis

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
)

func TestExpand(t *testing.T) {
	vars := Vars{Namespace: "shop", Window: 5 * time.Minute, Interval: 1500 * time.Millisecond}
	odd := Vars{Namespace: "a.b\"c'd\\e"}
	for _, tt := range []struct {
		vars     Vars
		in, want string
	}{
		{vars, `x{ns="${namespace}"}[${window}]`, `x{ns="shop"}[5m]`},
		{vars, `x[${interval}]`, `x[1s500ms]`},
		{vars, `x{ns=~"^${namespace}$"}`, `x{ns=~"^shop$"}`},
		{vars, `x{a="$${namespace}"}`, `x{a="${namespace}"}`},
		{vars, `x{a="$namespace $$ $"}`, `x{a="$namespace $$ $"}`},
		{vars, "x # ${nothing} \"\n + y{ns='${namespace}'}", "x # ${nothing} \"\n + y{ns='shop'}"},
		{vars, `x{a="\"${namespace}\\"}`, `x{a="\"shop\\"}`},
		{odd, `x{a="${namespace}"}`, `x{a="a.b\"c'd\\e"}`},
		{odd, `x{a='${namespace}'}`, `x{a='a.b"c\'d\\e'}`},
		{odd, "x{a=`${namespace}`}", "x{a=`a.b\"c'd\\e`}"},
		{odd, `x{a=~"${namespace}"}`, `x{a=~"a\\.b\"c'd\\\\e"}`},
		{odd, `x{a !~ "${namespace}"}`, `x{a !~ "a\\.b\"c'd\\\\e"}`},
		{odd, `x{a=~"y",b="${namespace}"}`, `x{a=~"y",b="a.b\"c'd\\e"}`},
	} {
		got, err := tt.vars.Expand(tt.in)
		if err != nil || got != tt.want {
			t.Errorf("%s: got %s, %v, want %s", tt.in, got, err, tt.want)
		}
	}
	if got, err := (Vars{Namespace: "a`b"}).Expand("x{a=`${namespace}`}"); err == nil {
		t.Errorf("a backquote between backquotes became %s", got)
	}
}

func TestLimit(t *testing.T) {
	for text, want := range map[string]struct {
		limit   Limit
		printed string
	}{
		"1000":    {Limit{1000, None}, "1000"},
		"-0.5":    {Limit{-0.5, None}, "-0.5"},
		"1e6":     {Limit{1e6, None}, "1000000"},
		"0.00001": {Limit{0.00001, None}, "1e-05"},
		"0":       {Limit{0, None}, "0"},
		"1%":      {Limit{0.01, Percent}, "1%"},
		"99.9 %":  {Limit{0.9990000000000001, Percent}, "99.9%"},
		"500ms":   {Limit{0.5, Seconds}, "500ms"},
		"3m":      {Limit{180, Seconds}, "180s"},
		"64Mi":    {Limit{64 << 20, Bytes}, "64Mi"},
		"1.5Gi":   {Limit{3 << 29, Bytes}, "1.5Gi"},
		"2Ki":     {Limit{2048, Bytes}, "2Ki"},
	} {
		got, err := ParseLimit(text)
		if err != nil || math.Abs(got.Value-want.limit.Value) > 1e-12*math.Abs(want.limit.Value) || got.Unit != want.limit.Unit {
			t.Errorf("%s: got %+v, %v, want %+v", text, got, err, want.limit)
		}
		if printed := got.Unit.Format(got.Value); printed != want.printed {
			t.Errorf("%s: printed as %s, want %s", text, printed, want.printed)
		}
	}
	for _, text := range []string{"", "x", "inf", "NaN", "0x10", "1_000", "64M", "3k", "1 %%", "%", "Mi", "<= 1"} {
		if got, err := ParseLimit(text); err == nil {
			t.Errorf("%q: got %+v, want an error", text, got)
		} else if !strings.Contains(err.Error(), "\n  hint: ") {
			t.Errorf("%q: error %q has no hint", text, err)
		}
	}
	if got := Percent.Format(math.NaN()) + Bytes.Format(math.Inf(1)) + None.Format(0.123456) + Bytes.Format(10); got != "NaN+Inf0.123510B" {
		t.Errorf("odd values print as %s", got)
	}
}

func TestNumberJSON(t *testing.T) {
	for value, want := range map[Number]string{
		0.25: "0.25", Number(math.Inf(1)): `"+Inf"`, Number(math.Inf(-1)): `"-Inf"`, Number(math.NaN()): `"NaN"`,
	} {
		data, err := json.Marshal(value)
		if err != nil || string(data) != want {
			t.Errorf("%v: got %s, %v, want %s", value, data, err, want)
		}
		var back Number
		if err := json.Unmarshal(data, &back); err != nil {
			t.Errorf("%s: %v", data, err)
		}
		if back != value && !(math.IsNaN(float64(back)) && math.IsNaN(float64(value))) {
			t.Errorf("%s came back as %v", data, back)
		}
	}
	var n Number
	for _, bad := range []string{`"12"`, `{}`, `true`} {
		if json.Unmarshal([]byte(bad), &n) == nil {
			t.Errorf("%s was read as %v", bad, n)
		}
	}
}
