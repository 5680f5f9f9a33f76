package main

import (
	"cmp"
	"math"
	"slices"
)

// median is the middle of the values, or the mean of the two middle ones.
func median[T ~int64 | ~float64](values []T) T {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// percentile is the smallest value that p percent of the values do not exceed.
func percentile[T cmp.Ordered](values []T, p float64) T {
	if len(values) == 0 {
		var none T
		return none
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[max(rank, 1)-1]
}

// each picks one figure of every sample.
func each[T any](samples []sample, figure func(sample) T) []T {
	out := make([]T, len(samples))
	for i, s := range samples {
		out[i] = figure(s)
	}
	return out
}
