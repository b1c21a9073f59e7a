-- formulas.sql: every formula of Green, once, with the standard that it comes from.
--
-- Plans, reports, `explain` and the stages call these macros; there is no second calculator.
-- They persist in the audit store, so that an auditor can call them there, too.

-- Energy of a device that draws a power over device-hours. kWh = W x h / 1000.
CREATE OR REPLACE MACRO device_energy_kwh(power_w, device_hours_h) AS power_w * device_hours_h / 1000.0;

-- Energy integrated from samples: e2 is twice the energy in picojoule (trapezoid of whole microwatts
-- and microseconds), so that sums are exact. 1 kWh = 3.6e18 pJ.
CREATE OR REPLACE MACRO sampled_energy_kwh(e2) AS e2 / 7.2e18;

-- What an unmetered time can have cost at most: uncovered time x rated power. kWh = W x s / 3.6e6.
CREATE OR REPLACE MACRO uncovered_energy_kwh(rated_power_w, uncovered_s) AS rated_power_w * uncovered_s / 3.6e6;

-- Coverage: the share of the time that was metered; NULL where nobody can tell.
CREATE OR REPLACE MACRO coverage_ratio(covered_s, uncovered_s) AS covered_s / nullif(covered_s + uncovered_s, 0);

-- Facility energy = IT energy x PUE (ISO/IEC 30134-2). Energy that was taken at the facility's meter
-- already holds it: the basis decides, and PUE is applied at most once.
CREATE OR REPLACE MACRO facility_energy_kwh(energy_kwh, basis, pue) AS
CASE basis
    WHEN 'facility' THEN energy_kwh WHEN 'device' THEN energy_kwh * pue
    WHEN 'host' THEN energy_kwh * pue WHEN 'wall' THEN energy_kwh * pue
END;

-- IT energy = facility energy / PUE (the same definition, read the other way).
CREATE OR REPLACE MACRO it_energy_kwh(energy_kwh, basis, pue) AS
CASE basis
    WHEN 'facility' THEN energy_kwh / pue WHEN 'device' THEN energy_kwh
    WHEN 'host' THEN energy_kwh WHEN 'wall' THEN energy_kwh
END;

-- Operational emissions O = E x I (SCI, ISO/IEC 21031:2024, 5.3); E is facility energy.
CREATE OR REPLACE MACRO operational_kgco2e(facility_energy_kwh, intensity_gco2e_per_kwh) AS
facility_energy_kwh * intensity_gco2e_per_kwh / 1000.0;

-- Embodied emissions M = TE x TiR/EL x RR/ToR (SCI, ISO/IEC 21031:2024, 5.4). Time reserved is given in
-- device-hours; the lifetime is calendar hours, or the hours used of it (utilisation below 1).
CREATE OR REPLACE MACRO embodied_kgco2e(embodied_total_kgco2e, device_hours_h, lifetime_h, utilisation, share) AS
embodied_total_kgco2e * device_hours_h / nullif(lifetime_h * utilisation, 0) * share;

-- Emissions C = O + M (SCI, ISO/IEC 21031:2024, 5.2).
CREATE OR REPLACE MACRO emissions_kgco2e(operational_kgco2e, embodied_kgco2e) AS operational_kgco2e + embodied_kgco2e;

-- Water: on site per kWh of IT energy (WUE, ISO/IEC 30134-9), off site per kWh of electricity drawn.
CREATE OR REPLACE MACRO water_onsite_l(energy_kwh, wue_l_per_kwh) AS energy_kwh * wue_l_per_kwh;
CREATE OR REPLACE MACRO water_offsite_l(facility_energy_kwh, ewif_l_per_kwh) AS facility_energy_kwh * ewif_l_per_kwh;

-- Cost: device-hours x price where there is a price, else facility energy x tariff; never both.
CREATE OR REPLACE MACRO cost_usd(device_hours_h, device_hour_usd, facility_energy_kwh, tariff_usd_per_kwh) AS
CASE
    WHEN device_hour_usd IS NOT NULL THEN device_hours_h * device_hour_usd
    ELSE facility_energy_kwh * tariff_usd_per_kwh
END;

-- A sum that is unknown where one of its parts is: a missing part is never zero.
CREATE OR REPLACE MACRO known_sum(part) AS CASE WHEN count(*) = count(part) THEN sum(part) END;

-- A number that a later stage can trust: NaN and infinity are unknown.
CREATE OR REPLACE MACRO finite(x) AS CASE WHEN isfinite(x) THEN x END;

-- Exact storage of a quantity: 18 places hold 1e-18 kWh, the energy of a microsecond at a microwatt.
-- What does not fit (1e20 and more) is no quantity of a run: unknown.
-- By way of the shortest text that names the number: 333.3 becomes 333.3, in every version of DuckDB.
CREATE OR REPLACE MACRO exact(x) AS try_cast(cast(x AS varchar) AS decimal(38, 18));

-- The number nearest to an exact quantity, again by its text: DuckDB 2.0 casts 0.29148 to 0.29147999999999996.
CREATE OR REPLACE MACRO as_double(x) AS cast(cast(x AS varchar) AS double);
