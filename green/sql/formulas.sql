-- formulas.sql: every formula of Green, once, with the standard that it comes from.
--
-- Plans, reports, `explain` and the stages call these macros; there is no second calculator.
-- They persist in the audit store, so that an auditor can call them there, too.

-- Energy of a device that draws a power over device-hours. kWh = W x h / 1000.
CREATE OR REPLACE MACRO device_energy_kwh(power_w, device_hours_h) AS power_w * device_hours_h / 1000.0;

-- Energy of what is installed by its size, memory or storage. kWh = GB x W/GB x h / 1000.
CREATE OR REPLACE MACRO capacity_energy_kwh(capacity_gb, power_w_per_gb, duration_h) AS
capacity_gb * power_w_per_gb * duration_h / 1000.0;

-- Energy of the network by what was sent and received. kWh = GB x kWh/GB.
CREATE OR REPLACE MACRO network_energy_kwh(traffic_gb, energy_kwh_per_gb) AS traffic_gb * energy_kwh_per_gb;

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

-- Cost of electricity, by the year's tariff.
CREATE OR REPLACE MACRO energy_cost_usd(facility_energy_kwh, tariff_usd_per_kwh) AS
facility_energy_kwh * tariff_usd_per_kwh;

-- Cost: device-hours x price where there is a price, else that of the electricity; never both.
CREATE OR REPLACE MACRO cost_usd(device_hours_h, device_hour_usd, energy_cost_usd) AS
CASE WHEN device_hour_usd IS NOT NULL THEN device_hours_h * device_hour_usd ELSE energy_cost_usd END;

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

-- A part of a bill of materials is written with semicolons, chr(59), between its kind and its attributes, each
-- `name=value` or `name=value,low,high`: `ram, capacity_gb=64, count=32`. Its attributes at place 1 (the value), 2 (low
-- ends) or 3 (high ends): an end that is not written is the value, and what divides has its ends the other way round.
CREATE OR REPLACE MACRO part_kind(written) AS split_part(written, chr(59), 1);
CREATE OR REPLACE MACRO part_text(written, name) AS
regexp_extract(written, concat(chr(59), name, '=([^', chr(59), ']*)'), 1);
CREATE OR REPLACE MACRO part_attributes(written, place) AS
CASE
    WHEN list_unique(list_transform(string_split(written, chr(59)), LAMBDA one: split_part(one, '=', 1)))
        = len(string_split(written, chr(59)))
        THEN map_from_entries(list_transform(
            string_split(written, chr(59))[2:],
            LAMBDA one: {
                'name': split_part(one, '=', 1),
                'value': try_cast(coalesce(
                    nullif(split_part(split_part(one, '=', 2), ',', CASE
                        WHEN place > 1 AND contains(one, 'gb_per_cm2=') THEN 5 - place ELSE place
                    END), ''),
                    split_part(split_part(one, '=', 2), ',', 1)
                ) AS double)
            }
        ))
END;

-- A die as it is sawn from the wafer, with 0.2 mm between two dies.
CREATE OR REPLACE MACRO sawn_mm2(die_mm2) AS (sqrt(die_mm2) + 0.2) * (sqrt(die_mm2) + 0.2);

-- How many square dies a round wafer of 300 mm holds: its area, less what its rim loses.
CREATE OR REPLACE MACRO dies_per_wafer(sawn_mm2) AS pi() * 22500.0 / sawn_mm2 - pi() * 300.0 / sqrt(2.0 * sawn_mm2);

-- Wafer that a working die costs: its part of a wafer, over the yield exp(-sqrt(area x defects)). The method is that
-- of the GPU model of Boavizta (Lees-Perasso et al., ADEME 2026). A die that no wafer holds is unknown; the sixth
-- place is where the exponential of two machines may differ.
CREATE OR REPLACE MACRO wafer_mm2(die_mm2, defects_per_cm2) AS
CASE
    WHEN die_mm2 > 0 AND dies_per_wafer(sawn_mm2(die_mm2)) >= 1
        THEN round(
            pi() * 22500.0 / dies_per_wafer(sawn_mm2(die_mm2))
            / exp(-sqrt(sawn_mm2(die_mm2) / 100.0 * defects_per_cm2)), 6
        )
END;

-- A term of a part: how much there is of what has a coefficient. Its impact is amount x coefficient, in each
-- criterion (carbon, abiotic depletion, primary energy, water) and at the life-cycle stage of ISO 14040/44.
CREATE OR REPLACE MACRO term(name, unit, life_cycle_stage, amount) AS
{'term': name, 'unit': unit, 'life_cycle_stage': life_cycle_stage, 'amount': cast(amount AS double)};

-- Processor: the die, by its area, and the package (Green Cloud Computing, UBA Texte 94/2021).
CREATE OR REPLACE MACRO cpu_terms(die_mm2) AS
[term('cpu die', 'mm2', 'manufacture', die_mm2), term('cpu package', '1', 'manufacture', 1)];

-- Memory: the silicon is capacity / density, beside the board of the stick or drive (UBA Texte 94/2021).
CREATE OR REPLACE MACRO ram_terms(capacity_gb, density_gb_per_cm2) AS [
    term('ram die', 'cm2', 'manufacture', capacity_gb / density_gb_per_cm2),
    term('ram stick', '1', 'manufacture', 1)
];
CREATE OR REPLACE MACRO ssd_terms(capacity_gb, density_gb_per_cm2) AS [
    term('ssd die', 'cm2', 'manufacture', capacity_gb / density_gb_per_cm2),
    term('ssd', '1', 'manufacture', 1)
];

-- Power supply: by its mass (UBA Texte 94/2021).
CREATE OR REPLACE MACRO psu_terms(mass_kg) AS [term('power supply', 'kg', 'manufacture', mass_kg)];

-- What is counted by the piece (UBA Texte 94/2021); a blade has a sixteenth of its enclosure.
CREATE OR REPLACE MACRO piece_terms(kind) AS
CASE kind
    WHEN 'hdd' THEN [term('hdd', '1', 'manufacture', 1)]
    WHEN 'board' THEN [term('motherboard', '1', 'manufacture', 1)]
    WHEN 'chassis' THEN [term('rack chassis', '1', 'manufacture', 1)]
    WHEN 'blade'
        THEN [
            term('blade', '1', 'manufacture', 1),
            term('blade enclosure, 16 slots', '1', 'manufacture', 1 / 16.0)
        ]
    WHEN 'assembly' THEN [term('assembly', '1', 'manufacture', 1)]
END;

-- Freight: mass x distance by each mode that is used. No mode at all is no route.
CREATE OR REPLACE MACRO freight_terms(mass_kg, boat_km, truck_km, plane_km) AS
list_transform(
    list_filter(
        [
            {'mode': 'transport by boat', 'km': boat_km},
            {'mode': 'transport by truck', 'km': truck_km},
            {'mode': 'transport by plane', 'km': plane_km}
        ],
        LAMBDA one: one.km IS NOT NULL
    ),
    LAMBDA one: term(one.mode, 'tkm', 'transport', mass_kg / 1000.0 * one.km)
);

-- Accelerator (GPU model of Boavizta, Lees-Perasso et al., ADEME 2026): casing, heatsink, printed board, the wafers of
-- the die and of the memory, transport of what it is made of, and its end of life.
CREATE OR REPLACE MACRO gpu_terms(casing_kg, heatsink_kg, pwb_cm2, die_wafer_mm2, memory_wafer_mm2, mass_kg) AS [
    term('gpu casing', 'kg', 'manufacture', casing_kg),
    term('gpu heatsink', 'kg', 'manufacture', heatsink_kg),
    term('gpu board', 'cm2', 'manufacture', pwb_cm2),
    term('gpu die', 'mm2', 'manufacture', die_wafer_mm2),
    term('gpu memory', 'mm2', 'manufacture', memory_wafer_mm2),
    term('gpu upstream transport', 'kg', 'manufacture', mass_kg),
    term('gpu end of life', 'kg', 'end_of_life', mass_kg)
];

-- A part with a figure of its own, declared or of the catalogue, in the criteria that it has.
CREATE OR REPLACE MACRO figure_terms(embodied_kgco2e, life_cycle_stage, adp_kgsbeq, primary_energy_mj, water_l) AS [
    term('its own figure', 'kgCO2e', life_cycle_stage, embodied_kgco2e),
    term('its own figure', 'kgSbeq', NULL, adp_kgsbeq),
    term('its own figure', 'MJ', NULL, primary_energy_mj),
    term('its own figure', 'L', NULL, water_l)
];

-- The terms of a part by its attributes: its own figure where it has one, else the model of its kind. What is of no
-- kind that is known has none.
CREATE OR REPLACE MACRO part_terms(kind, has) AS
CASE
    WHEN has['embodied_kgco2e'] IS NOT NULL
        THEN figure_terms(
            has['embodied_kgco2e'],
            CASE WHEN has['is_manufacture'] = 1 THEN 'manufacture' END,
            has['adp_kgsbeq'],
            has['primary_energy_mj'],
            has['embodied_water_l']
        )
    WHEN kind = 'cpu' THEN cpu_terms(has['die_mm2'])
    WHEN kind = 'ram' THEN ram_terms(has['capacity_gb'], has['density_gb_per_cm2'])
    WHEN kind = 'ssd' THEN ssd_terms(has['capacity_gb'], has['density_gb_per_cm2'])
    WHEN kind = 'psu' THEN psu_terms(has['mass_kg'])
    WHEN kind = 'gpu'
        THEN list_concat(
            gpu_terms(
                has['casing_kg'],
                has['heatsink_kg'],
                has['pwb_cm2'],
                wafer_mm2(has['die_mm2'], has['defects_per_cm2']),
                has['memory_dies'] * wafer_mm2(
                    has['memory_gb'] / has['memory_gb_per_cm2'] * 100.0 / has['memory_dies'], has['defects_per_cm2']
                ),
                has['mass_kg']
            ),
            freight_terms(has['mass_kg'], has['boat_km'], has['truck_km'], has['plane_km'])
        )
    WHEN kind = 'transport' THEN freight_terms(has['mass_kg'], has['boat_km'], has['truck_km'], has['plane_km'])
    ELSE piece_terms(kind)
END;

-- Impact of a term in one criterion = amount x coefficient; what is beyond anything physical is unknown.
CREATE OR REPLACE MACRO part_impact(amount, coefficient) AS
CASE WHEN amount * coefficient >= 0 AND amount * coefficient < 1e9 THEN exact(amount * coefficient) END;

-- How often a part stands in its bill, by its count: a whole number.
CREATE OR REPLACE MACRO part_units(count) AS
CASE WHEN count BETWEEN 1 AND 10000000 AND count = floor(count) THEN cast(count AS integer) END;
-- Market-based emissions (GHG Protocol Scope 2 Guidance, 6.1): what contractual instruments cover has their intensity,
-- the rest that of the supplier or of the residual mix. Where all is covered, no mix is needed.
CREATE OR REPLACE MACRO market_kgco2e(covered_kgco2e, rest_kwh, mix_gco2e_per_kwh) AS
CASE
    WHEN rest_kwh = 0 THEN as_double(covered_kgco2e)
    ELSE as_double(covered_kgco2e) + operational_kgco2e(as_double(rest_kwh), mix_gco2e_per_kwh)
END;

-- The part of a whole number that a quantity covers, where it is spread in proportion over all that is wanted: rounded
-- down, so that it is never more than the part, and the sum over all parts never more than the quantity. Where the
-- product of two numbers would not fit, the share is first cut to a millionth of a millionth.
CREATE OR REPLACE MACRO part_of(part, quantity, wanted) AS
CASE
    WHEN wanted <= quantity THEN part
    WHEN wanted < 10000000000000000000 THEN part * quantity // wanted
    ELSE part * (quantity * 1000000000000 // wanted) // 1000000000000
END;

-- What devices could compute: device-hours x peak. FLOP = h x 3600 s/h x TFLOP/s x 1e12.
CREATE OR REPLACE MACRO capacity_flop(device_hours_h, peak_tflop_per_s) AS device_hours_h * peak_tflop_per_s * 3.6e15;

-- A figure for one functional unit, or one point of a quality metric: nothing produced has no figure.
CREATE OR REPLACE MACRO per_unit(x, amount) AS x / nullif(amount, 0);

-- Computation for a joule, which is computation per second for a watt. FLOP/J = FLOP / (kWh x 3.6e6).
CREATE OR REPLACE MACRO flop_per_joule(flop, energy_kwh) AS flop / nullif(energy_kwh * 3.6e6, 0);
