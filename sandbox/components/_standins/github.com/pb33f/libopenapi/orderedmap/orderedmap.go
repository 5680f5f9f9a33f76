// Package orderedmap has maps that remember in which order their keys were set.
package orderedmap

// Map is used by one goroutine at a time.
type Map[K comparable, V any] struct {
	pairs []*Pair[K, V]
}

// New returns an empty map.
func New[K comparable, V any]() *Map[K, V] { return &Map[K, V]{} }

// Set is called once for each key.
func (m *Map[K, V]) Set(key K, value V) {
	m.pairs = append(m.pairs, &Pair[K, V]{m: m, at: len(m.pairs), key: key, value: value})
}

// First is the pair that was set first, or nil.
func (m *Map[K, V]) First() *Pair[K, V] { return m.get(0) }

func (m *Map[K, V]) get(at int) *Pair[K, V] {
	if at >= len(m.pairs) {
		return nil
	}
	return m.pairs[at]
}

// Pair is one entry.
type Pair[K comparable, V any] struct {
	m     *Map[K, V]
	at    int
	key   K
	value V
}

// Next is the pair that was set after this one, or nil.
func (p *Pair[K, V]) Next() *Pair[K, V] { return p.m.get(p.at + 1) }

// Key returns the key.
func (p *Pair[K, V]) Key() K { return p.key }

// Value returns the value.
func (p *Pair[K, V]) Value() V { return p.value }
