package bind

import (
	"context"
	"slices"

	"lwm2m-agent/modem"
	"lwm2m-agent/objects"
)

// preferredBearers are the numbers of object 13 for technologies.
var preferredBearers = map[modem.Technology]objects.PreferredBearer{
	modem.GSM: objects.PreferGSM, modem.UMTS: objects.PreferUMTS, modem.LTE: objects.PreferLTE, modem.LTEM: objects.PreferLTE,
	modem.NBIoT: objects.PreferNBIoT, modem.NR: objects.PreferNR,
}

// selectionNow is what the modem goes by, in the words of object 13.
func (c *Cellular) selectionNow() objects.Selection {
	s := c.selected.Load()
	return objects.Selection{
		Bearers: bearersOf(s.Order), Choices: bearersOf(s.Choices), Most: s.Most, Operators: s.Operators, MaxOperators: s.MaxOperators,
	}
}

func bearersOf(order []modem.Technology) []objects.PreferredBearer {
	var out []objects.PreferredBearer
	for _, t := range order {
		if bearer, ok := preferredBearers[t]; ok && !slices.Contains(out, bearer) {
			out = append(out, bearer)
		}
	}
	return out
}

// setBearers takes an order of bearers; LTE is what the modem has of it, LTE or LTE-M.
func (c *Cellular) setBearers(ctx context.Context, bearers []objects.PreferredBearer) error {
	now := c.selected.Load()
	if len(now.Choices) == 0 {
		return nil // it chooses by itself, which is all that it can be told
	}
	var order []modem.Technology
	for _, bearer := range bearers {
		for _, t := range now.Choices {
			if preferredBearers[t] == bearer {
				order = append(order, t)
			}
		}
	}
	return c.wishes.set(ctx, func() error { return c.modem.SetOrder(ctx, order) }, func(w *wished) { w.Order = &order })
}
