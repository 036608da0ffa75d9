using KFac.Engine;
using KFac.Kernels;
using KFac.Nn;

namespace OwnLayer;

/// <summary><c>y = tanh(W·a)</c> in one module: a layer with a weight of its own that takes part in K-FAC.</summary>
internal sealed class TanhLinear(string name, int inputWidth, int outputWidth) : Module
{
    private readonly KroneckerLayer _layer = new(name, inputWidth, outputWidth, HasBias: false);
    private ParameterRegistry? _registry;
    private LinearParameter? _weight;

    /// <summary>Once for each network, however often the module is used in it.</summary>
    public override void Register(ParameterRegistry registry)
    {
        if (registry.IsFirstVisit(ref _registry, name))
        {
            _weight = registry.AddLinear(_layer, WeightInitialization.Glorot);
        }
    }

    public override Variable Forward(Tape tape, Variable input)
    {
        LinearParameter weight = _weight ?? throw new InvalidOperationException($"Layer '{name}' belongs to no network yet.");
        MatrixView<float> x = input.Value;
        MatrixView<float> z = tape.Memory.Matrix<float>(x.Rows, outputWidth);
        MatrixView<float> y = tape.Memory.Matrix<float>(x.Rows, outputWidth);
        Gemm.Run(tape.Stream, Transpose.No, Transpose.Yes, 1, x, weight.Weight, 0, z);
        Activation.Forward(tape.Stream, ActivationKind.Tanh, z, y);

        TanhLinearOperation operation = tape.Rent<TanhLinearOperation>();
        (operation.Weight, operation.Input, operation.BeforeTanh) = (weight, input, z);
        return tape.Record(operation, y, input.Shape.WithColumns(outputWidth), input.Segments, needsGradient: true);
    }
}

/// <summary>One use of the layer. The tape keeps these objects and fills them again, so that a step allocates nothing.</summary>
internal sealed class TanhLinearOperation : TapeOperation
{
    public LinearParameter? Weight { get; set; }

    public Variable Input { get; set; }

    public MatrixView<float> BeforeTanh { get; set; }

    /// <summary>The factor A wants what the weight multiplied.</summary>
    protected override void CaptureInputs(ICaptureSink sink) =>
        sink.Inputs(Weight!.Index, Input.ToLayerRows(Input.Value, seeds: 1, scale: 1));

    protected override void Backward(BackwardPass pass, MatrixView<float> outputGradient)
    {
        // ∂z = tanh′(z)∘∂y, in place. A curvature pass stacks several seeds in the rows.
        Activation.Backward(pass.Stream, ActivationKind.Tanh, BeforeTanh, Output.Value, outputGradient, outputGradient);

        // The factor B wants the gradient of what the weight made: of z, not of y.
        pass.Deliver(Weight!.Index, Output, outputGradient);
        if (pass.Options.WeightGradients && !pass.DeliverWeightGradient(Weight, Input.Value, outputGradient))
        {
            float beta = Weight.StartContribution(pass);
            Gemm.Run(pass.Stream, Transpose.Yes, Transpose.No, 1, outputGradient, Input.Value, beta, Weight.WeightGradient);
        }

        if (Input.NeedsGradient)
        {
            MatrixView<float> inputGradient = pass.Destination(Input, out float beta);
            Gemm.Run(pass.Stream, Transpose.No, Transpose.No, 1, outputGradient, Weight.Weight, beta, inputGradient);
        }

        pass.Release(outputGradient);
    }
}
