package gate

import (
	"fmt"
	"reflect"
)

// walk calls f for every string in a value, with its path.
func walk(v any, path string, f func(path, text string)) { walkValue(reflect.ValueOf(v), path, f) }

func walkValue(v reflect.Value, path string, f func(path, text string)) {
	switch v.Kind() {
	case reflect.String:
		f(path, v.String())
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			walkValue(v.Elem(), path, f)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			walkValue(v.Index(i), fmt.Sprintf("%s[%d]", path, i), f)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				walkValue(v.Field(i), path+"."+v.Type().Field(i).Name, f)
			}
		}
	}
}
