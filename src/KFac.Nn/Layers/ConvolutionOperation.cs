using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>One use of a convolution, group by group.</summary>
/// <remarks>The factors take inputs as images. Rows of weight gradients are not handed over: patches are never formed, and there are more of
/// them than a layer is wide.</remarks>
internal sealed class ConvolutionOperation : TapeOperation
{
    private MatrixView<float>[] _effective = [];
    private Conv2d? _layer;
    private ConvolutionShape? _shape;

    public Variable Input { get; set; }

    public Conv2d Layer
    {
        get => _layer!;
        set => _layer = value;
    }

    public ConvolutionShape Shape
    {
        get => _shape!;
        set => _shape = value;
    }

    /// <summary>Keeps what a group's parameter multiplied by.</summary>
    public void SetEffective(int group, MatrixView<float> effective)
    {
        if (_effective.Length <= group)
        {
            Array.Resize(ref _effective, Layer.Options.Groups);
        }

        _effective[group] = effective;
    }

    protected internal override void Backward(BackwardPass pass, MatrixView<float> outputGradient)
    {
        float inputBeta = 0;
        MatrixView<float> inputGradient = Input.NeedsGradient ? pass.Destination(Input, out inputBeta) : default;
        for (int group = 0; group < Layer.Options.Groups; group++)
        {
            LinearParameter parameter = Layer.Parameter(group);
            MatrixView<float> gradient = Layer.OutputOf(outputGradient, group);
            pass.Deliver(parameter.Index, Output, gradient);
            if (pass.Options.WeightGradients)
            {
                MatrixView<float> weightGradient = parameter.StartContribution(pass, out float beta);
                Convolution.WeightGradient(
                    pass.Stream, Layer.InputOf(Input.Value, group), Shape, gradient, beta, weightGradient);
                parameter.EndContribution(pass, weightGradient);
            }

            if (Input.NeedsGradient)
            {
                Convolution.InputGradient(
                    pass.Stream, gradient, Shape, _effective[group], inputBeta, Layer.InputOf(inputGradient, group));
            }
        }

        pass.Release(outputGradient);
    }

    protected internal override void CaptureInputs(ICaptureSink sink)
    {
        for (int group = 0; group < Layer.Options.Groups; group++)
        {
            LayerRows images = LayerRows.OfImages(Layer.InputOf(Input.Value, group), Shape);
            sink.Inputs(Layer.Parameter(group).Index, images with { Source = Layer.Options.Groups == 1 ? Input.Id : null });
        }
    }
}
