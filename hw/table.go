package hw

import (
	"slices"
	"sync"
)

// Drivers returns the table of drivers, ordered by name, which nobody may alter.
func Drivers() []Driver { return table() }

// table makes the table once. A new driver is one file and one line here.
var table = sync.OnceValue(func() []Driver {
	return []Driver{
		ads1115Driver(),
		aht20Driver(),
		bh1750Driver(),
		bme280Driver(),
		bmp280Driver(),
		counterDriver(),
		ds18b20Driver(),
		ds2482Driver(),
		ds3231Driver(),
		gpioInDriver(),
		gpioOutDriver(),
		hdc302xDriver(),
		hwmonDriver(),
		iioDriver(),
		iioBufferDriver(),
		ina219Driver(),
		ina226Driver(),
		ledDriver(),
		lis3dhDriver(),
		lm75Driver(),
		lm75bDriver(),
		max31855Driver(),
		mcp23017Driver(),
		mcp3008Driver(),
		mcp3208Driver(),
		mcp9808Driver(),
		modbusDriver(),
		pca9685Driver(),
		powerSupplyDriver(),
		pwmDriver(),
		scd4xDriver(),
		sht3xDriver(),
		sht4xDriver(),
		simDriver(),
		thermalDriver(),
		tmp102Driver(),
		tmp105Driver(),
	}
})

var driversByName = sync.OnceValue(func() map[string]Driver {
	byName := make(map[string]Driver)
	for _, d := range Drivers() {
		byName[d.Name] = d
	}
	return byName
})

// sensorsAt is driversAt for drivers of sensors.
func sensorsAt(address uint16) []string {
	drivers := driversByName()
	return slices.DeleteFunc(driversAt(address), func(name string) bool { return !drivers[name].Sensor() })
}

// driversAt returns the names of the drivers whose parts can have an address.
func driversAt(address uint16) []string {
	var names []string
	for _, d := range Drivers() {
		if slices.Contains(d.Addresses, address) {
			names = append(names, d.Name)
		}
	}
	return names
}
