using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>One use of a linear layer: <c>∂X = ∂Y·W</c>, <c>∂W = ∂Yᵀ·X</c>, <c>∂b = ∂Yᵀ·1</c>.</summary>
internal sealed class LinearOperation : TapeOperation
{
    private LinearParameter? _parameter;

    public Variable Input { get; set; }

    /// <summary>What <see cref="Parameter"/> multiplied by.</summary>
    public MatrixView<float> Effective { get; set; }

    public LinearParameter Parameter
    {
        get => _parameter!;
        set => _parameter = value;
    }

    protected internal override void Backward(BackwardPass pass, MatrixView<float> outputGradient)
    {
        pass.Deliver(Parameter.Index, Output, outputGradient);
        if (pass.Options.WeightGradients)
        {
            AddWeightGradients(pass, outputGradient);
        }

        if (Input.NeedsGradient)
        {
            MatrixView<float> inputGradient = pass.Destination(Input, out float beta);
            Gemm.Run(pass.Stream, Transpose.No, Transpose.No, 1f, outputGradient, Parameter.WeightOf(Effective), beta, inputGradient);
        }

        pass.Release(outputGradient);
    }

    protected internal override void CaptureInputs(ICaptureSink sink) =>
        sink.Inputs(Parameter.Index, Input.ToLayerRows(Input.Value, seeds: 1, scale: 1f) with { Source = Input.Id });

    /// <summary>The rows that make the gradient are handed over only where the parameter is the weight itself.</summary>
    private void AddWeightGradients(BackwardPass pass, MatrixView<float> outputGradient)
    {
        if (Parameter.Normalization == WeightNormalization.None && pass.DeliverWeightGradient(Parameter, Input.Value, outputGradient))
        {
            return;
        }

        MatrixView<float> gradient = Parameter.StartContribution(pass, out float beta);
        Gemm.Run(
            pass.Stream, Transpose.Yes, Transpose.No, 1f, outputGradient, Input.Value, beta, Parameter.WeightOf(gradient));
        if (Parameter.Layer.HasBias)
        {
            MatrixView<float> sums = pass.Scratch(1, outputGradient.Columns);
            Reduction.ColumnSum(pass.Stream, outputGradient, 1f, 0f, sums.Row(0));
            Elementwise.Axpby(
                pass.Stream, 1f, sums.Reshape(outputGradient.Columns, 1), beta, Parameter.BiasOf(gradient));
            pass.Release(sums);
        }

        Parameter.EndContribution(pass, gradient);
    }
}
