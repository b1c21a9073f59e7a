"""CUDA_VISIBLE_DEVICES is read as CUDA reads it."""

from __future__ import annotations

import pytest

from green.meters.visible import Gpu, Instance, visible

H100 = "NVIDIA H100 80GB HBM3"
FOUR = [Gpu(f"GPU-{n}{n}{n}{n}aaaa-0000", H100, f"00000000:{n + 1}0:00.0") for n in range(4)]
SPLIT = Gpu("GPU-9999", H100, "00000000:99:00.0", (Instance("MIG-aa11", 1, 0), Instance("MIG-aa22", 2, 0)))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, {0, 1, 2, 3}),
        ("", set()),
        ("  ", set()),
        ("0", {0}),
        ("3,1", {1, 3}),
        (" 2 , 0 ", {0, 2}),
        ("0,2,-1,1", {0, 2}),
        ("-1", set()),
        ("0,7,1", {0}),
        ("NoDevFiles", set()),
        ("0,none,1", {0}),
        ("0,0", set()),
        ("1gpu,2x", {1, 2}),
        ("+1", {1}),
        ("GPU-2222aaaa-0000", {2}),
        ("GPU-22", {2}),
        ("GPU-2222aaaa-0000,GPU-0000", {0, 2}),
        ("GPU-", set()),
        ("GPU-nothere,0", set()),
        ("0,GPU-3333", {0, 3}),
    ],
)
def test_identifiers_choose_as_the_programming_guide_says(value: str | None, expected: set[int]) -> None:
    environ = {} if value is None else {"CUDA_VISIBLE_DEVICES": value}
    choice = visible(FOUR, environ)
    assert (choice.gpus, choice.instances, choice.doubt) == (expected, frozenset(), "")


def test_numbers_follow_the_pci_bus_not_the_list() -> None:
    swapped = [FOUR[3], FOUR[0]]
    assert visible(swapped, {"CUDA_VISIBLE_DEVICES": "0"}).gpus == {1}


def test_numbers_of_different_models_are_doubtful_unless_the_order_is_stated() -> None:
    mixed = [FOUR[0], Gpu("GPU-t4", "Tesla T4", "00000000:20:00.0")]
    assert visible(mixed, {"CUDA_VISIBLE_DEVICES": "1"}).doubt
    assert not visible(mixed, {"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}).doubt
    assert not visible(mixed, {"CUDA_VISIBLE_DEVICES": "GPU-t4"}).doubt
    assert not visible(mixed, {"CUDA_VISIBLE_DEVICES": ""}).doubt


@pytest.mark.parametrize(
    ("value", "instance"),
    [("MIG-aa22", "MIG-aa22"), ("MIG-GPU-9999/2/0", "MIG-aa22"), ("0", "MIG-aa11"), ("GPU-9999", "MIG-aa11")],
)
def test_an_instance_is_named_by_uuid_by_its_place_or_by_its_gpu(value: str, instance: str) -> None:
    choice = visible([SPLIT], {"CUDA_VISIBLE_DEVICES": value})
    assert (choice.gpus, choice.instances) == (frozenset(), {instance})


@pytest.mark.parametrize("value", ["MIG-zz", "MIG-aa", "MIG-GPU-9999/5/0", "MIG-GPU-0000/1/0"])
def test_an_instance_that_is_none_or_not_one_alone_hides_all(value: str) -> None:
    choice = visible([SPLIT], {"CUDA_VISIBLE_DEVICES": value})
    assert (choice.gpus, choice.instances) == (frozenset(), frozenset())


def test_without_the_variable_cuda_takes_one_instance_and_nobody_knows_which() -> None:
    choice = visible([SPLIT], {})
    assert choice.instances == {"MIG-aa11"}
    assert choice.doubt
