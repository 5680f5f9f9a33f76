package stats

import "math"

// seriesCount is the parameter up to which the continued fraction is used.
// The fraction takes about the square root of the smaller parameter in
// steps, the integral beyond always the same number.
const seriesCount = 10000

// betaCDF returns the regularised incomplete beta function I_x(a, b) for
// a > 0, b > 0 and 0 <= x <= 1. For whole a and b it is the probability of
// at least a successes in a+b-1 trials with probability x.
func betaCDF(a, b, x float64) float64 {
	switch {
	case x <= 0:
		return 0
	case x >= 1:
		return 1
	}
	if min(a, b) > seriesCount {
		return betaIntegral(a, b, x)
	}
	// The fraction converges fast on the near side of the mean; the other
	// side is its mirror image.
	if x <= (a+1)/(a+b+2) {
		return clamp(betaFraction(a, b, x, 1-x))
	}
	return clamp(1 - betaFraction(b, a, 1-x, x))
}

// betaFraction returns I_x(a, b) as a continued fraction (DLMF 8.17.22),
// evaluated from the front by the method of Lentz as modified by Thompson
// and Barnett 1986. y is 1-x.
func betaFraction(a, b, x, y float64) float64 {
	const tiny, accuracy, steps = 1e-300, 1e-15, 5000
	nonzero := func(v float64) float64 {
		if math.Abs(v) < tiny {
			return tiny
		}
		return v
	}
	value, c, d := 1.0, 1.0, 0.0
	for k := 1; k <= steps; k++ {
		m := float64(k / 2)
		var term float64
		if k%2 == 0 {
			term = m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		} else {
			term = -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		}
		d = 1 / nonzero(1+term*d)
		c = nonzero(1 + term/c)
		value *= c * d
		if math.Abs(c*d-1) < accuracy {
			break
		}
	}
	return math.Exp(betaLog(a, b, x, y)) / (a * value)
}

// betaIntegral returns I_x(a, b) for large a and b by Simpson's rule over
// the density, from x outwards: ten standard deviations hold all that a
// float64 tells from zero beside the rest. The error is about 1e-10, which
// is a millionth of a tail of 1e-6.
func betaIntegral(a, b, x float64) float64 {
	const panels = 500
	n := a + b
	mean, deviation := a/n, math.Sqrt(a/n*b/n/(n+1))
	end := max(0, x-10*deviation)
	if x > mean {
		end = min(1, x+10*deviation)
	}
	h := (end - x) / panels
	density := func(t float64) float64 {
		if t <= 0 || t >= 1 {
			return 0
		}
		return math.Exp(betaLog(a, b, t, 1-t)) / (t * (1 - t))
	}
	sum := density(x) + density(end)
	for i := 1; i < panels; i++ {
		sum += float64(2+i%2*2) * density(x+float64(i)*h)
	}
	tail := clamp(math.Abs(h) / 3 * sum)
	if x > mean {
		return 1 - tail
	}
	return tail
}

// betaLog returns ln(x^a * y^b / B(a, b)), y being 1-x. The logarithms of
// the gamma functions of large counts are huge and cancel, so the leading
// parts are subtracted by hand (Loader 2000, for the binomial distribution).
func betaLog(a, b, x, y float64) float64 {
	n := a + b
	return stirlingRest(n) - stirlingRest(a) - stirlingRest(b) -
		deviance(a, n*x) - deviance(b, n*y) +
		0.5*(math.Log(a)+math.Log(b)-math.Log(n)-math.Log(2*math.Pi))
}

// stirlingRest returns ln(n!) minus Stirling's approximation of it.
func stirlingRest(n float64) float64 {
	if n < 16 {
		factorial, _ := math.Lgamma(n + 1)
		return factorial - (n+0.5)*math.Log(n) + n - 0.5*math.Log(2*math.Pi)
	}
	s := n * n
	return (1.0/12 - (1.0/360-(1.0/1260-1.0/1680/s)/s)/s) / n
}

// deviance returns k*ln(k/m) + m - k without the cancellation that it has
// where k is close to m: there it is a series in (k-m)/(k+m).
func deviance(k, m float64) float64 {
	v := (k - m) / (k + m)
	if math.Abs(v) >= 0.1 {
		return k*math.Log(k/m) + m - k
	}
	sum, term := (k-m)*v, 2*k*v
	for j := 1.0; j < 100; j++ {
		term *= v * v
		next := sum + term/(2*j+1)
		if next == sum {
			break
		}
		sum = next
	}
	return sum
}

// betaQuantile returns the x with I_x(a, b) = p, by halving: no other method
// is as safe with every shape that the density can have.
func betaQuantile(a, b, p float64) float64 {
	low, high := 0.0, 1.0
	for range 200 {
		middle := low + (high-low)/2
		if betaCDF(a, b, middle) < p {
			low = middle
		} else {
			high = middle
		}
		if high-low <= 1e-14*high {
			break
		}
	}
	return low + (high-low)/2
}

// clamp cuts rounding errors off a probability. NaN, which no parameters
// known give, becomes 1, the p-value of no evidence.
func clamp(p float64) float64 {
	if math.IsNaN(p) {
		return 1
	}
	return min(max(p, 0), 1)
}
