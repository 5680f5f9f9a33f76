package main

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// releases is a dashboard of the first form, which every version of Grafana imports. The second one needs a new one.
//
//lint:ignore SA1019 see above
func releases() *dashboard.DashboardBuilder {
	//lint:ignore SA1019 see above
	return dashboard.NewDashboardBuilder("Releases by rolloutgate").
		Uid("rolloutgate").
		Description("What is rolling now, and how releases went: how often, how many were bad, and how long these were there.").
		Tags([]string{"rolloutgate", "kubernetes", "deployments"}).
		Time("now-30d", "now").Refresh("1m").Tooltip(dashboard.DashboardCursorSyncCrosshair).
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Data source").Type("prometheus")).
		WithVariable(choice("namespace", "Namespace", fmt.Sprintf("label_values(%s, namespace)", lastRun))).
		WithVariable(choice("workload", "Workload", fmt.Sprintf(`label_values(%s{namespace=~"$namespace"}, workload)`, lastRun))).
		WithVariable(resolution()).
		WithRow(dashboard.NewRowBuilder("Now, by kube-state-metrics")).
		WithPanel(rollingNow()).WithPanel(newPods()).WithPanel(missingPods()).
		WithRow(dashboard.NewRowBuilder("In the time that is chosen above")).
		WithPanel(number("Releases", "Runs that brought a change to the cluster.", "short", counted(lastChange, "$__range"))).
		WithPanel(number("Releases a day", "Deployment frequency.", "short", counted(lastChange, "$__range")+" / ($__range_s / 86400)")).
		WithPanel(number("Change failure rate", "Releases that were found bad, by a run or later by undo, of all.", "percentunit",
			counted(lastFailure, "$__range")+" / "+counted(lastChange, "$__range")).Max(1)).
		WithPanel(number("Time to restore", "How long a bad release was there, from its first write until the old version was seen to be back; the mean.", "s", mean(restore, lastFailure))).
		WithPanel(number("Time to undo", "How long an undo took, from its first write to its proof; the mean.", "s", mean(undo, lastUndo)).Span(4)).
		WithPanel(perDay()).WithPanel(durations()).
		WithRow(dashboard.NewRowBuilder("Runs")).
		WithPanel(verdicts()).WithPanel(lastRuns())
}

func source() common.DataSourceRef {
	kind, uid := "prometheus", "${datasource}"
	return common.DataSourceRef{Type: &kind, Uid: &uid}
}

// choice is a variable of several values, all of them at first.
func choice(name, label, query string) *dashboard.QueryVariableBuilder {
	return dashboard.NewQueryVariableBuilder(name).Label(label).Datasource(source()).
		Query(dashboard.StringOrMap{String: &query}).Refresh(dashboard.VariableRefreshOnTimeRangeChanged).
		Sort(dashboard.VariableSortAlphabeticalAsc).Multi(true).IncludeAll(true).AllValue(".*")
}

// resolution is how near to each other two runs of a workload may be that count as two.
func resolution() *dashboard.IntervalVariableBuilder {
	values := "1m,5m,15m"
	usual := "5m"
	return dashboard.NewIntervalVariableBuilder("resolution").Label("Resolution").
		Description("Two releases of a workload within this time count as one. It has to be as long as the scrape interval or longer; a longer one makes the queries cheaper.").
		Values(dashboard.StringOrMap{String: &values}).
		Current(dashboard.VariableOption{Text: dashboard.StringOrArrayOfString{String: &usual}, Value: dashboard.StringOrArrayOfString{String: &usual}})
}

// instant asks for one moment, which is the end of the time that is chosen; over asks for all of it.
func instant(promql string) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().Datasource(source()).Expr(promql).Instant()
}

func over(promql, legend string) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().Datasource(source()).Expr(promql).Range().LegendFormat(legend)
}

// number is a panel of one number.
func number(title, description, unit, promql string) *stat.PanelBuilder {
	return stat.NewPanelBuilder().Title(title).Description(description).Datasource(source()).Unit(unit).Decimals(1).Height(5).Span(5).
		GraphMode(common.BigValueGraphModeNone).ColorMode(common.BigValueColorModeNone).NoValue("none").
		WithTarget(instant(promql).RefId("A"))
}

func rollingNow() *stat.PanelBuilder {
	return number("Rolling now", "Workloads whose new pods are not all there yet.", "short", rolling()).Decimals(0).Height(8).Span(4)
}

func lines(title, description, unit string) *timeseries.PanelBuilder {
	return timeseries.NewPanelBuilder().Title(title).Description(description).Datasource(source()).Unit(unit).Min(0).Height(8).
		Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom))
}

func newPods() *timeseries.PanelBuilder {
	p := lines("Share of new pods", "Of each workload that is not done: which part of its pods is of the new version.", "percentunit").Span(10).Max(1)
	for i, w := range kinds {
		p.WithTarget(over(w.share(), fmt.Sprintf("{{namespace}} %s/{{%[1]s}}", w.label)).RefId(letter(i)))
	}
	return p
}

func missingPods() *timeseries.PanelBuilder {
	p := lines("Pods that are not available", "Of each workload that lacks some.", "short").Span(10)
	for i, w := range kinds {
		if w.unavailable != "" {
			p.WithTarget(over(w.missing(), fmt.Sprintf("{{namespace}} %s/{{%[1]s}}", w.label)).RefId(letter(i)))
		}
	}
	return p
}

// perDay has a bar for each day.
func perDay() *timeseries.PanelBuilder {
	return lines("Releases in a day", "And those that were bad.", "short").Span(12).Interval("1d").
		DrawStyle(common.GraphDrawStyleBars).FillOpacity(60).
		WithTarget(over(counted(lastChange, "1d"), "releases").RefId("A")).
		WithTarget(over(counted(lastFailure, "1d"), "bad").RefId("B"))
}

func durations() *timeseries.PanelBuilder {
	return lines("Duration of the last run", "Of each workload, from the first look at the cluster to the report.", "s").Span(12).
		LineInterpolation(common.LineInterpolationStepAfter).
		WithTarget(over(chosen(duration), "{{namespace}} {{workload}}").RefId("A"))
}

func verdicts() *statetimeline.PanelBuilder {
	return statetimeline.NewPanelBuilder().Title("How the last run ended").Description("The exit code, in words, until the next run.").
		Datasource(source()).Height(8).Span(24).Mappings(exitCodes()).MergeValues(true).
		WithTarget(over(chosen(exitCode), "{{namespace}} {{workload}}").RefId("A"))
}

// lastRuns is a row for each workload.
func lastRuns() *table.PanelBuilder {
	p := table.NewPanelBuilder().Title("Last runs").Description("Of each workload.").Datasource(source()).Height(9).Span(24)
	names := map[string]any{"namespace": "namespace", "workload": "workload"}
	for i, column := range []struct{ name, unit, promql string }{
		{"ended", "dateTimeAsIso", chosen(lastRun) + " * 1000"},
		{"verdict", "", chosen(exitCode)},
		{"took", "s", chosen(duration)},
		{"last release", "dateTimeFromNow", chosen(lastChange) + " * 1000"},
		{"last bad release", "dateTimeFromNow", chosen(lastFailure) + " * 1000"},
		{"last undo took", "s", chosen(undo)},
	} {
		p.WithTarget(instant(column.promql).Format(prometheus.PromQueryFormatTable).RefId(letter(i)))
		names["Value #"+letter(i)] = column.name
		properties := []dashboard.DynamicConfigValue{{Id: "unit", Value: column.unit}}
		if column.name == "verdict" {
			properties = []dashboard.DynamicConfigValue{
				{Id: "mappings", Value: exitCodes()}, {Id: "custom.cellOptions", Value: map[string]string{"type": "color-text"}},
			}
		}
		p.OverrideByName(column.name, properties)
	}
	return p.
		WithTransformation(dashboard.DataTransformerConfig{Id: "merge", Options: map[string]any{}}).
		WithTransformation(dashboard.DataTransformerConfig{Id: "organize", Options: map[string]any{
			"excludeByName": map[string]bool{"Time": true}, "renameByName": names,
		}})
}

func letter(i int) string { return string(rune('A' + i)) }

// exitCodes are the words for exit codes, and colours.
func exitCodes() []dashboard.ValueMapping {
	options := map[string]dashboard.ValueMappingResult{}
	for i, code := range []struct{ code, name, color string }{
		{"0", "passed", "green"},
		{"1", "internal", "purple"},
		{"2", "invalid", "purple"},
		{"3", "refused", "purple"},
		{"10", "failed", "red"},
		{"11", "timeout", "red"},
		{"12", "criteria", "red"},
		{"13", "inconclusive", "yellow"},
		{"14", "rejected", "yellow"},
		{"15", "called-off", "yellow"},
		{"20", "undo-failed", "dark-red"},
		{"21", "not-undone", "dark-red"},
		{"30", "superseded", "blue"},
		{"75", "retry", "purple"},
		{"77", "denied", "purple"},
		{"130", "cancelled", "blue"},
		{"143", "cancelled", "blue"},
	} {
		index := int32(i)
		options[code.code] = dashboard.ValueMappingResult{Text: &code.name, Color: &code.color, Index: &index}
	}
	return []dashboard.ValueMapping{{ValueMap: &dashboard.ValueMap{Type: dashboard.MappingTypeValueToText, Options: options}}}
}
