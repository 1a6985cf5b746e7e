"""A backend for firmware that ships CMSIS-NN already: layers become calls of its functions.

Written against the commit 99f736a63036 of July 2026 (`arm_nnfunctions.h` V.19.1.0, `arm_nn_types.h`
V.3.6.1). Layers that CMSIS-NN has no function for, or that some build of it (portable C, DSP,
Helium) computes otherwise than TFLM's reference kernels, keep the kernels of vpr-edge.

Scratch memory is planned for the build that needs most, by the formulas of CMSIS-NN's
`..._get_buffer_size` functions. The generated C asks these functions before each call, so a build
or version that needs more ends the run with a status and does not write beyond the plan.
"""

from dataclasses import fields, replace

from vpr_edge.firmware_bridge.cmsis_nn.call import Call
from vpr_edge.firmware_bridge.cmsis_nn.convolution import ConvolutionCall, DepthwiseCall
from vpr_edge.firmware_bridge.cmsis_nn.dense import FullyConnectedCall
from vpr_edge.firmware_bridge.cmsis_nn.elementwise import AddCall, MulCall
from vpr_edge.firmware_bridge.cmsis_nn.pool import AveragePoolCall, MaxPoolCall
from vpr_edge.firmware_bridge.cmsis_nn.softmax import SoftmaxCall
from vpr_edge.firmware_bridge.operators.shared.operator import Operator
from vpr_edge.firmware_bridge.operators.shared.program import Program

CALLS: dict[str, type[Call]] = {
    call.code: call
    for call in (
        ConvolutionCall,
        DepthwiseCall,
        FullyConnectedCall,
        AveragePoolCall,
        MaxPoolCall,
        SoftmaxCall,
        AddCall,
        MulCall,
    )
}


def use_cmsis_nn(program: Program) -> Program:
    """The program with calls of CMSIS-NN where these give TFLM's bits."""
    return replace(program, operators=tuple(_called(operator) for operator in program.operators))


def _called(operator: Operator) -> Operator:
    if operator.code not in CALLS:
        return operator
    values = {field.name: getattr(operator, field.name) for field in fields(operator)}
    call = CALLS[operator.code](**values)
    return call if call.is_exact else operator
