// Package health is the list of what can be wrong with the agent, and of what is
// wrong now. Each possible trouble is a declared value with a code, a severity,
// a text, a remedy and the code that LwM2M's Device object shows for it
// (3/0/11). Whoever has a trouble sets and clears it; status, metrics, docs, the
// Device object and Gateway Health (object 26244) read the one list.
//
// It knows neither servers nor sensors nor how a trouble comes about.
package health
