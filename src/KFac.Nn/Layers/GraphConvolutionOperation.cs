using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>One use of a graph convolution; Ĉ is symmetric, so it is its own transpose.</summary>
/// <remarks>Where the input is the narrower side, <c>∂W = ∂Yᵀ·(Ĉ·X)</c> and <c>∂X = Ĉ·(∂Y·W)</c>; where the output is, with
/// <c>Z = Ĉ·∂Y</c>, <c>∂W = Zᵀ·X</c> and <c>∂X = Z·W</c>. Both are the same sums in another order.</remarks>
internal sealed class GraphConvolutionOperation : TapeOperation
{
    private LinearParameter? _parameter;
    private SparseMatrix? _adjacency;
    private MatrixView<float> _aggregated;
    private bool _aggregatesForward;
    private long _aggregatedPass;

    private Variable Input { get; set; }

    private LinearParameter Parameter => _parameter!;

    private SparseMatrix Adjacency => _adjacency!;

    private bool AggregatesInput => Parameter.Layer.InputWidth <= Parameter.Layer.OutputWidth;

    public void Begin(Variable input, LinearParameter parameter, SparseMatrix adjacency)
    {
        Input = input;
        _parameter = parameter;
        _adjacency = adjacency;
        _aggregatesForward = false;
        (_aggregated, _aggregatedPass) = (default, 0);
    }

    /// <summary><c>Y ← Ĉ·X·Wᵀ</c>.</summary>
    public void Multiply(Tape tape, MatrixView<float> y)
    {
        if (AggregatesInput)
        {
            Gemm.Run(tape.Stream, Transpose.No, Transpose.Yes, 1f, Aggregated(), Parameter.Weight, 0f, y);
            _aggregatesForward = true;
            return;
        }

        MatrixView<float> product = tape.Memory.Matrix<float>(y.Rows, y.Columns);
        Gemm.Run(tape.Stream, Transpose.No, Transpose.Yes, 1f, Input.Value, Parameter.Weight, 0f, product);
        SparseProduct.Run(tape.Stream, 1f, Adjacency, product, 0f, y);
    }

    protected internal override void Backward(BackwardPass pass, MatrixView<float> outputGradient)
    {
        pass.Deliver(Parameter.Index, Output, outputGradient);
        bool adds = pass.Options.WeightGradients;
        if (adds && pass.Options.Sink is ITrainingSink)
        {
            adds = !pass.DeliverWeightGradient(Parameter, Aggregated(), outputGradient);
        }

        if (AggregatesInput)
        {
            AggregateAtInput(pass, outputGradient, adds);
        }
        else if (adds || Input.NeedsGradient)
        {
            AggregateAtOutput(pass, outputGradient, adds);
        }

        pass.Release(outputGradient);
    }

    protected internal override void CaptureInputs(ICaptureSink sink) =>
        sink.Inputs(Parameter.Index, Output.ToLayerRows(Aggregated(), seeds: 1, scale: 1f));

    private void AggregateAtInput(BackwardPass pass, MatrixView<float> outputGradient, bool adds)
    {
        if (adds)
        {
            AddWeightGradient(pass, outputGradient, Aggregated(), outputGradient);
        }

        if (Input.NeedsGradient)
        {
            MatrixView<float> product = pass.Scratch(outputGradient.Rows, Parameter.Layer.InputWidth);
            Gemm.Run(pass.Stream, Transpose.No, Transpose.No, 1f, outputGradient, Parameter.Weight, 0f, product);
            MatrixView<float> inputGradient = pass.Destination(Input, out float beta);
            SparseProduct.Run(pass.Stream, 1f, Adjacency, product, beta, inputGradient);
            pass.Release(product);
        }
    }

    private void AggregateAtOutput(BackwardPass pass, MatrixView<float> outputGradient, bool adds)
    {
        MatrixView<float> aggregated = pass.Scratch(outputGradient.Rows, outputGradient.Columns);
        SparseProduct.Run(pass.Stream, 1f, Adjacency, outputGradient, 0f, aggregated);
        if (adds)
        {
            AddWeightGradient(pass, aggregated, Input.Value, outputGradient);
        }

        if (Input.NeedsGradient)
        {
            MatrixView<float> inputGradient = pass.Destination(Input, out float beta);
            Gemm.Run(pass.Stream, Transpose.No, Transpose.No, 1f, aggregated, Parameter.Weight, beta, inputGradient);
        }

        pass.Release(aggregated);
    }

    /// <summary><c>∂W += leftᵀ·right</c>, and the bias's gradient with it.</summary>
    private void AddWeightGradient(
        BackwardPass pass, MatrixView<float> left, MatrixView<float> right, MatrixView<float> outputGradient)
    {
        float beta = Parameter.StartContribution(pass);
        Gemm.Run(pass.Stream, Transpose.Yes, Transpose.No, 1f, left, right, beta, Parameter.WeightGradient);
        if (Parameter.Layer.HasBias)
        {
            MatrixView<float> sums = pass.Scratch(1, outputGradient.Columns);
            Reduction.ColumnSum(pass.Stream, outputGradient, 1f, 0f, sums.Row(0));
            Elementwise.Axpby(pass.Stream, 1f, sums.Reshape(outputGradient.Columns, 1), beta, Parameter.BiasGradient);
            pass.Release(sums);
        }
    }

    /// <summary>Ĉ·X, formed in the forward pass or when it is first asked for after one; it lives as long as the tape's values.</summary>
    private MatrixView<float> Aggregated()
    {
        Tape tape = Input.Tape;
        if (_aggregatesForward || _aggregatedPass == tape.ForwardPasses)
        {
            return _aggregated;
        }

        MatrixView<float> x = Input.Value;
        if (_aggregated.IsEmpty)
        {
            _aggregated = tape.Memory.Matrix<float>(x.Rows, x.Columns);
        }

        SparseProduct.Run(tape.Stream, 1f, Adjacency, x, 0f, _aggregated);
        _aggregatedPass = tape.ForwardPasses;
        return _aggregated;
    }
}
